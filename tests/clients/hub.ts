/**
 * A hub in this process with one tiny model.
 *
 * @module
 */
import { join } from "node:path";
import { HubServer } from "../support/hub_server.ts";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";

/** Its model. */
export const ON_HUB = "ada/tiny";

/** Starts the hub; nodes that are started later ask it. `folder` takes the model's files. */
export async function startHub(folder: string): Promise<HubServer> {
  await writeTinyCheckpoint(folder, { layers: 2, shards: 2 });
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for await (const { name } of Deno.readDir(folder)) {
    files[name] = await Deno.readFile(join(folder, name));
  }
  const hub = await HubServer.start({ repositories: { [ON_HUB]: { files } } });
  Deno.env.set("HF_ENDPOINT", hub.url);
  return hub;
}
