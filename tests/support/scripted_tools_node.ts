/**
 * Serves a scripted model for each way to write calls, until its standard input ends. It prints one
 * line: the base URLs by family, as JSON.
 *
 * @module
 */
import { join } from "node:path";
import { createApi, serveApi } from "../../runtime/api/mod.ts";
import { scriptedModel } from "./scripted_model.ts";
import { familySays, TOOL_FAMILIES } from "./tool_families.ts";

const dir = await Deno.makeTempDir();
const stop = new AbortController();
const ends: Promise<unknown>[] = [];
const urls: Record<string, string> = {};
for (const [name, family] of Object.entries(TOOL_FAMILIES)) {
  const { template, opens, specials } = family;
  const says = familySays(family);
  const gateway = await scriptedModel({
    ...{ dir: join(dir, name.replace(/\W/g, "_")), template, opens, specials, says },
  });
  const { signal } = stop;
  const app = createApi(gateway);
  const server = await serveApi({ app, host: "127.0.0.1", port: 0, signal, drainMs: 100 });
  urls[name] = server.url;
  ends.push(server.finished);
}
await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(urls)}\n`));
for await (const _ of Deno.stdin.readable);
stop.abort();
await Promise.all(ends);
await Deno.remove(dir, { recursive: true });
Deno.exit(0);
