/**
 * A stage's process as the command sees it.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StageAssignment, StageFigures, StageOrder } from "./stage_process.ts";

/** Milliseconds in which a process must load its engine, and must answer an order. */
const LIMIT_MS = { load: 300_000, order: 60_000 };
/** Milliseconds in which a process must end that was told to. */
const END_MS = 10_000;

/** Starts a process with a stage and talks to it. */
export class StageChild {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncIterator<unknown>;
  readonly #index: number;

  private constructor(process: Deno.ChildProcess, index: number) {
    this.#process = process;
    this.#index = index;
    this.#input = process.stdin.getWriter();
    this.#answers = jsonLines(process.stdout);
  }

  /**
   * Starts the process; resolves when its engine is loaded, with the port of its mailbox. Throws an
   * Error where the process ends early or takes longer than {@linkcode LIMIT_MS}, as the others do.
   */
  static async start(
    assignment: StageAssignment,
    dir: string,
  ): Promise<{ child: StageChild; port: number }> {
    const file = join(dir, `stage-${assignment.index}.json`);
    await Deno.writeTextFile(file, JSON.stringify(assignment));
    const child = new StageChild(
      new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-q",
          "-A",
          "--no-prompt",
          fileURLToPath(new URL("./stage_process.ts", import.meta.url)),
          file,
        ],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
      }).spawn(),
      assignment.index,
    );
    try {
      const { port } = await child.#answer("its engine", LIMIT_MS.load) as { port: number };
      return { child, port };
    } catch (error) {
      await child.stop();
      throw error;
    }
  }

  /** Gives an order; resolves with the answer. */
  async order(order: StageOrder): Promise<unknown> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    return await this.#answer(`the answer to ${JSON.stringify(order.do)}`, LIMIT_MS.order);
  }

  /** What was measured since `begin`. */
  async end(): Promise<StageFigures> {
    return await this.order({ do: "end" }) as StageFigures;
  }

  /** Ends the process; one that does not end by itself is killed. */
  async stop(): Promise<void> {
    await this.#input.close().catch(() => {}); // it has ended already
    const late = setTimeout(() => this.#process.kill("SIGKILL"), END_MS);
    await this.#process.status.finally(() => clearTimeout(late));
  }

  async #answer(what: string, limitMs: number): Promise<unknown> {
    const name = `the process of stage ${this.#index}`;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`waited ${limitMs / 1000} s for ${what} of ${name}`)),
      limitMs,
    );
    const { value, done } = await Promise.race([this.#answers.next(), late])
      .finally(() => clearTimeout(timer));
    if (done) throw new Error(`${name} ended early; its message stands above`);
    return value;
  }
}

async function* jsonLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<unknown> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) {
      yield JSON.parse(text.slice(0, end));
    }
  }
}
