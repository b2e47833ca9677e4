/**
 * A stage's process as the command sees it.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StageAssignment, StageFigures, StageOrder } from "./stage_process.ts";

/** Starts a process with a stage and talks to it. */
export class StageChild {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncIterator<unknown>;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    this.#answers = jsonLines(process.stdout);
  }

  /** Starts the process; resolves when its engine is loaded, with the port of its mailbox. */
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
    );
    const { port } = await child.#answer() as { port: number };
    return { child, port };
  }

  /** Gives an order; resolves with the answer. */
  async order(order: StageOrder): Promise<unknown> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    return await this.#answer();
  }

  /** What was measured since `begin`. */
  async end(): Promise<StageFigures> {
    return await this.order({ do: "end" }) as StageFigures;
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    await this.#input.close();
    await this.#process.status;
  }

  async #answer(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done) throw new Error("the process of a stage ended early; its message stands above");
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
