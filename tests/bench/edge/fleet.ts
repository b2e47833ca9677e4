/**
 * Starts nodes on emulated devices, and a client beside the first of them.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { startCommand } from "../../support/start_command.ts";
import type { ClientMeasurement, ClientRequest } from "./client.ts";
import type { DeviceStats, Emulation } from "./emulation.ts";

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const CONFIG = file("../../../deno.json");
const START_MS = 600_000;

/** Which nodes to start. */
export interface FleetOptions {
  /** Cores that each device may use; one node runs on each. */
  cores: number[];
  /**
   * Folder of the model store that all nodes use, or a folder for each node. Nothing is fetched.
   */
  data: string | string[];
  /** Options of `deno task start` for the first node. */
  first: string[];
  /** Options of `deno task start` for all nodes. @default ["--threads", "1"] */
  all?: string[];
  /**
   * Programs that run in place of `deno task start`, with its options, by the index of their node.
   * They read lines, see {@linkcode Fleet.say}.
   */
  programs?: Record<number, string>;
}

/** A cluster on emulated devices. */
export class Fleet implements AsyncDisposable {
  readonly #emulation: Emulation;
  readonly #stack: AsyncDisposableStack;
  readonly #client: Lines;
  readonly #requests: WritableStreamDefaultWriter<Uint8Array>;
  readonly #url: string;
  readonly #nodes: Lines[];
  /** What the first node printed when it was ready. */
  readonly ready: string;

  private constructor(
    emulation: Emulation,
    stack: AsyncDisposableStack,
    client: {
      lines: Lines;
      requests: WritableStreamDefaultWriter<Uint8Array>;
      url: string;
      nodes: Lines[];
    },
  ) {
    this.#emulation = emulation;
    this.#stack = stack;
    this.#client = client.lines;
    this.#requests = client.requests;
    this.#url = client.url;
    this.#nodes = client.nodes;
    this.ready = client.nodes[0].text;
  }

  /** Starts node 1, lets the other nodes join, and waits until the cluster answers prompts. */
  static async start(emulation: Emulation, options: FleetOptions): Promise<Fleet> {
    const stack = new AsyncDisposableStack();
    try {
      const nodes: Lines[] = [];
      /** How the other nodes join, token included. */
      let joining: string[] = [];
      for (const [i, cores] of options.cores.entries()) {
        const own = i === 0 ? ["--nodes", String(options.cores.length), ...options.first] : joining;
        const words = [
          ...["--host", emulation.address(i + 1), "--no-api-key", "--data"],
          typeof options.data === "string" ? options.data : options.data[i],
          ...(options.all ?? ["--threads", "1"]),
          ...own,
        ];
        const program = options.programs?.[i];
        const child = emulation.exec(i + 1, {
          cores,
          command: program === undefined
            ? startCommand(words)
            : [Deno.execPath(), "run", "-q", "-A", "--config", CONFIG, program, ...words],
          stdin: program === undefined ? "null" : "piped",
        });
        const lines = new Lines(child, `node ${i + 1}`);
        stack.defer(() => lines.end("SIGTERM"));
        nodes.push(lines);
        if (i === 0) {
          const [, line] = await lines.next(/(--join \S+ --token \S+)/, START_MS);
          joining = line.split(" ");
        } else {
          await nodes[0].next(
            new RegExp(`${options.cores.length} nodes, ${i + 1} joined|load their layers|^ready `),
            START_MS,
          );
        }
      }
      await nodes[0].next(/^ready /, START_MS);
      const child = emulation.beside(1, [
        Deno.execPath(),
        "run",
        "-q",
        "-A",
        "--config",
        CONFIG,
        file("client.ts"),
      ]);
      const lines = new Lines(child, "client");
      stack.defer(() => lines.end("SIGKILL"));
      const url = `http://${emulation.address(1)}:8420`;
      return new Fleet(emulation, stack, {
        lines,
        requests: child.stdin.getWriter(),
        url,
        nodes,
      });
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
  }

  /**
   * Posts a completion, or a chat completion if the body has messages. Throws the API's answer if
   * it is an error.
   */
  async ask(
    body: Record<string, unknown>,
    { timeoutMs = 600_000 }: { timeoutMs?: number } = {},
  ): Promise<ClientMeasurement> {
    const url = `${this.#url}/v1/${body.messages ? "chat/" : ""}completions`;
    const request: ClientRequest = { url, body, timeoutMs };
    await this.#requests.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
    const [line] = await this.#client.next(/^\{.*\}$/, timeoutMs + 10_000);
    const measured: ClientMeasurement = JSON.parse(line);
    if (measured.error) throw new Error(measured.error);
    return measured;
  }

  /** Gives a line to a program of {@linkcode FleetOptions.programs}. */
  async say(node: number, line: string): Promise<void> {
    await this.#nodes[node].say(line);
  }

  /** Waits for a line of a node that matches; the lines before it are dropped. */
  async next(node: number, pattern: RegExp, ms: number): Promise<RegExpExecArray> {
    return await this.#nodes[node].next(pattern, ms);
  }

  /** What each node has printed so far. */
  get said(): string[] {
    return this.#nodes.map((lines) => lines.text);
  }

  /** Gets a path of the API and parses the answer as JSON. */
  async json(path: string): Promise<unknown> {
    return JSON.parse(await this.text(path));
  }

  /** Gets a path of the API. Throws the answer's text if it is an error. */
  async text(path: string): Promise<string> {
    const script = `const r = await fetch(${JSON.stringify(this.#url + path)}); ` +
      "await new Blob([await r.text()]).stream().pipeTo(Deno.stdout.writable); if (!r.ok) Deno.exit(1)";
    const child = this.#emulation.beside(1, [Deno.execPath(), "eval", script]);
    await child.stdin.close();
    const { stdout, success } = await child.output();
    const text = new TextDecoder().decode(stdout);
    if (!success) throw new Error(`GET ${path}: ${text}`);
    return text;
  }

  /** Counters of each device since it was made. */
  stats(): Promise<DeviceStats[]> {
    return this.#emulation.stats();
  }

  /** Resident memory of each node's process now, in bytes. */
  residentBytes(): Promise<number[]> {
    return Promise.all(this.#nodes.map((node) => residentBytes(node.pid)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#requests.close().catch(() => {}); // the client has ended
    await this.#stack.disposeAsync();
  }
}

/** Resident memory of a process in bytes, as Linux counts it: shared pages are included. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
}

/** A process and the lines that it prints. */
class Lines {
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #unread: string[] = [];
  readonly #all: string[] = [];
  readonly #reading: Promise<unknown>;
  #input?: WritableStreamDefaultWriter<Uint8Array>;
  #wake = () => {};
  #ended = false;

  constructor(child: Deno.ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    const streams = [child.stdout];
    try {
      streams.push(child.stderr);
    } catch {
      // not piped
    }
    this.#reading = Promise.all(streams.map((s) => this.#read(s)));
  }

  /** Id of the process, which is the command itself: the emulation's script replaces itself by it. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Writes a line to the process, whose input is piped. */
  async say(line: string): Promise<void> {
    this.#input ??= this.#child.stdin.getWriter();
    await this.#input.write(new TextEncoder().encode(line + "\n"));
  }

  /** Everything printed so far. */
  get text(): string {
    return this.#all.join("\n");
  }

  /** Waits for the next line that matches; the lines before it are dropped. */
  async next(pattern: RegExp, ms: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + ms;
    for (;;) {
      while (this.#unread.length > 0) {
        const match = pattern.exec(this.#unread[0]);
        if (match) return this.#unread.shift(), match;
        this.#unread.shift();
      }
      if (this.#ended) throw new Error(`${this.#name} has ended:\n${this.text}`);
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new Error(`${this.#name}: no line like ${pattern} after ${ms} ms:\n${this.text}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => (clearTimeout(timer), resolve());
      });
    }
  }

  async end(signal: Deno.Signal): Promise<void> {
    try {
      this.#child.kill(signal);
    } catch {
      // it has ended by itself
    }
    const timer = setTimeout(() => {
      try {
        this.#child.kill("SIGKILL");
      } catch {
        // it has ended meanwhile
      }
    }, 15_000);
    await this.#child.status;
    clearTimeout(timer);
    await this.#reading;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (
      const line of createInterface({ input: Readable.fromWeb(stream), crlfDelay: Infinity })
    ) {
      this.#unread.push(line);
      this.#all.push(line);
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }
}
