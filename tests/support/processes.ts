/**
 * Real nodes: separate processes with real sockets.
 *
 * @module
 */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { launchedCommand, startCommand, startCommandOf } from "./start_command.ts";

/** Options for tests of several stages: the planner would put a small model on one node. */
export const EVEN: readonly string[] = ["--placement", "even"];

/** Longest wait, in milliseconds, for a node to print what a test waits for. */
const PATIENCE_MS = 90_000;

/** How a node's process is started. */
export interface ProcessOptions {
  /** Whether it listens on free ports instead of those that its arguments name. @default true */
  ports?: boolean;
  /** Its whole environment. @default this process's */
  env?: Record<string, string>;
  /**
   * A command line to whose end the node's command line is added, so that it runs the node.
   * @default none
   */
  within?: readonly string[];
  /** Runs the node instead of this process's `deno`: a program and its first arguments. */
  deno?: readonly string[];
  /** Longest wait for what a test waits for, milliseconds. @default 90 seconds */
  patienceMs?: number;
  /** Whether `deno task start` works out the permissions itself, as for a user. @default false */
  launch?: boolean;
  /** Folder of another version of the program, which is run instead. @default this program */
  checkout?: string;
}

/** A node in a process of its own. */
export class NodeProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiters = new Set<() => void>();
  readonly #reading: Promise<unknown>;
  #ended?: Deno.CommandStatus;

  readonly #patienceMs: number;

  private constructor(args: string[], options: ProcessOptions) {
    const { env, within = [], launch = false, deno, checkout } = options;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    const started = () => launch ? startCommand(args) : launchedCommand(args);
    const [own, ...node] = checkout === undefined ? started() : startCommandOf(checkout, args);
    const [command, ...rest] = [...within, ...(deno ?? [own]), ...node];
    this.#child = new Deno.Command(command, {
      args: rest,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      clearEnv: env !== undefined,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env }, // as the tasks in deno.json
    }).spawn();
    this.#reading = Promise.all([
      this.#read(this.#child.stdout),
      this.#read(this.#child.stderr, "stderr: "),
    ]);
  }

  /** Starts a node on free ports; what it prints is kept. */
  static start(args: string[], options: ProcessOptions = {}): NodeProcess {
    return new NodeProcess([
      ...(options.ports === false ? [] : ["--port", "0", "--mailbox-port", "0"]),
      ...args,
    ], options);
  }

  /** Process id of the operating system. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Everything printed so far; lines of stderr are marked. */
  get output(): string {
    return this.#lines.join("\n");
  }

  /**
   * Waits until a line matches. Fails when the process ends first, or after
   * {@linkcode ProcessOptions.patienceMs}.
   */
  async line(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(this.#patienceMs);
    for (;;) {
      for (const line of this.#lines) {
        const match = pattern.exec(line);
        if (match) return match;
      }
      if (this.#ended) {
        throw new Error(
          `the node ended with ${this.#ended.code} before ${pattern}:\n${this.output}`,
        );
      }
      if (deadline.aborted) {
        throw new Error(`no line like ${pattern} after ${this.#patienceMs} ms:\n${this.output}`);
      }
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 1_000);
        this.#waiters.add(wake);
      });
    }
  }

  /** Base URL of the API. */
  async url(): Promise<string> {
    return (await this.line(/API\s+(http:\S+)\/v1/))[1];
  }

  /** The options with which other nodes join, token included. */
  async join(): Promise<string[]> {
    return (await this.line(/(--join \S+ --token \S+)/))[1].split(" ");
  }

  /** Waits until the node answers prompts over so many stages; returns the URL of its API. */
  async ready(stages: number): Promise<string> {
    await this.line(new RegExp(`^ready +\\S+: (?:[^,]+(?:, |$)){${stages}}$`));
    return await this.url();
  }

  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // it has ended by itself
    }
  }

  /** Waits for the exit status; fails when the process does not end in time. */
  async status(): Promise<Deno.CommandStatus> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`the node does not end:\n${this.output}`)),
      this.#patienceMs,
    );
    try {
      const status = await Promise.race([this.#child.status, late.promise]);
      await this.#reading;
      return status;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.kill("SIGKILL");
    await this.status();
  }

  async #read(stream: ReadableStream<Uint8Array>, prefix = ""): Promise<void> {
    for await (
      const line of createInterface({ input: Readable.fromWeb(stream), crlfDelay: Infinity })
    ) {
      this.#lines.push(prefix + line);
      for (const wake of [...this.#waiters]) wake();
    }
    this.#ended = await this.#child.status;
    for (const wake of [...this.#waiters]) wake();
  }
}

/**
 * A cluster of processes over one store; the first node waits for all others. Layers are split
 * evenly unless `args` say otherwise, as the planner would put a small model on one node. With
 * `--layers` there may be more nodes than ranges: the first node without layers drafts.
 */
export async function startCluster(
  nodes: number,
  data: string,
  args: string[] = [],
): Promise<AsyncDisposable & { url: string; nodes: NodeProcess[] }> {
  const stack = new AsyncDisposableStack();
  const placed = args.includes("--placement") || args.includes("--layers");
  const first = stack.use(
    NodeProcess.start([
      "--data",
      data,
      "--nodes",
      String(nodes),
      "--threads",
      "1",
      ...(placed ? [] : EVEN),
      ...args,
    ]),
  );
  const all = [first];
  try {
    const joining = nodes > 1 ? await first.join() : [];
    for (let i = 1; i < nodes; i++) {
      all.push(stack.use(NodeProcess.start(["--data", data, ...joining, "--threads", "1"])));
      // Joined in this order.
      await first.line(new RegExp(`${nodes} nodes, ${i + 1} joined|load their layers`));
    }
    const ranges = args.includes("--layers")
      ? args[args.indexOf("--layers") + 1].split(",").length
      : nodes;
    const url = await first.ready(ranges);
    return { url, nodes: all, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** A graph file in this folder by which so many nodes share the LM head of the embedded model. */
export async function headGraph(folder: string, shards: number): Promise<string> {
  const file = join(folder, `head-${shards}.yaml`);
  await Deno.writeTextFile(file, `model: embedded\nactors: { head: ${shards} }\n`);
  return file;
}
