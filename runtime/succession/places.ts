/**
 * Where the nodes of the cluster were reached last, on disk: a node that was away asks them what has
 * happened.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import { RecordFile, trustFolder } from "../trust/mod.ts";

/** Most places that are kept. */
const MAX_PLACES = 1024;

const placeSchema = z.object({ node: z.string(), host: z.string(), port: z.int() });
/** A node and its mailbox. */
export type NodePlace = z.infer<typeof placeSchema>;

/** See the module's text. */
export class Places {
  readonly #file: RecordFile<NodePlace[]>;

  /** The places of a folder. */
  constructor(data: string) {
    const path = join(trustFolder(data), "places.json");
    this.#file = new RecordFile(path, z.array(placeSchema), () => []);
  }

  /** The newest first. */
  list(): Promise<NodePlace[]> {
    return this.#file.read();
  }

  /** Notes where nodes are now. Those of the same address are replaced. */
  async seen(nodes: readonly NodePlace[]): Promise<void> {
    const known = await this.list();
    const at = ({ host, port }: NodePlace) => `${host} ${port}`;
    const fresh = new Set(nodes.map(at));
    const all = [
      ...nodes.map(({ node, host, port }) => ({ node, host, port })),
      ...known.filter((place) => !fresh.has(at(place))),
    ].slice(0, MAX_PLACES);
    if (JSON.stringify(all) === JSON.stringify(known)) return;
    await this.#file.update((value) => void value.splice(0, Infinity, ...all));
  }
}
