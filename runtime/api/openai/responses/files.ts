/**
 * Kept responses as files of the data folder, one for each, so that the node's next process has them.
 *
 * Files and not the cluster's registry: that takes 64 KiB a value, and a conversation may be larger.
 *
 * @module
 */
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import type { KeptResponse } from "./kept_response.ts";

const log = getLogger(["orrery", "api"]);

/** Ids that are names of files. */
const ID = /^resp_[A-Za-z0-9]{1,64}$/;

const id = z.looseObject({ id: z.string() });
const keptSchema = z.object({
  response: id,
  input: z.array(id),
  items: z.array(z.looseObject({ type: z.string() })),
  chars: z.number().nonnegative(),
  until: z.number(),
  output: z.array(id),
});

/** See the module's text. */
export class ResponseFiles implements AsyncDisposable {
  readonly #folder: string;
  /** What is being written; one write after the other, so that a removal comes after its write. */
  #last: Promise<void> = Promise.resolve();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens a folder, which is created if absent. */
  static async open(folder: string): Promise<ResponseFiles> {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    return new ResponseFiles(folder);
  }

  /** All responses that can be read, in no order. */
  async all(): Promise<KeptResponse[]> {
    const found: KeptResponse[] = [];
    try {
      for await (const { name } of Deno.readDir(this.#folder)) {
        const kept = name.endsWith(".json") ? await this.read(name.slice(0, -5)) : undefined;
        if (kept) found.push(kept);
      }
    } catch (error) {
      log.warn("kept responses of {folder} cannot be read: {error}", {
        folder: this.#folder,
        error,
      });
    }
    return found;
  }

  /** The response of this id; undefined: there is none, or none that can be read. */
  async read(id: string): Promise<KeptResponse | undefined> {
    if (!ID.test(id)) return undefined;
    const path = this.#path(id);
    try {
      return keptSchema.parse(JSON.parse(await Deno.readTextFile(path))) as unknown as KeptResponse;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        log.warn("response {path} cannot be read: {error}", { path, error });
      }
      return undefined;
    }
  }

  /** Writes a response, soon; readers see the whole file or none. */
  write(kept: KeptResponse): void {
    if (!ID.test(kept.response.id)) return;
    const path = this.#path(kept.response.id);
    this.#then(`response ${path} cannot be kept on the disk`, async () => {
      await Deno.writeTextFile(`${path}.new`, JSON.stringify(kept), { mode: 0o600 });
      await Deno.rename(`${path}.new`, path);
    });
  }

  /** Removes a response, soon. */
  remove(id: string): void {
    if (!ID.test(id)) return;
    const path = this.#path(id);
    this.#then(`response ${path} cannot be removed`, () =>
      Deno.remove(path).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }));
  }

  /** Waits until all is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  #then(failing: string, work: () => Promise<void>): void {
    this.#last = this.#last.then(work).catch((error) => {
      log.warn("{failing}: {error}", { failing, error });
    });
  }
}
