/**
 * A node from code: start it on the embedded model, stream an answer, stop it.
 *
 *     deno run -P=tools examples/04_generate.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { startNode } from "@orrery/orrery";

const ready = Promise.withResolvers<void>();
const node = await startNode({
  host: "127.0.0.1",
  port: 0,
  mailboxPort: 0,
  data: ".orrery",
  nodes: 1,
  onServe: (deployment) => deployment && ready.resolve(),
});
await ready.promise;

const request = {
  model: "default",
  prompt: { kind: "chat" as const, messages: [{ role: "user", content: "Why does it rain?" }] },
  sampling: { temperature: 0 },
  stop: [],
};
for await (const event of node.gateway.generate(request, AbortSignal.timeout(60_000))) {
  if (event.type === "delta") await Deno.stdout.write(new TextEncoder().encode(event.text));
  if (event.type === "done") {
    const { ttftMs, tpotMs } = event.timings;
    console.log(
      `\n${event.usage.completionTokens} tokens, first after ${ttftMs.toFixed(1)} ms, then ${
        tpotMs.toFixed(2)
      } ms each`,
    );
  }
}
await node.close();
console.log("next: deno task start serves the same model to every client");
