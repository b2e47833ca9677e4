/**
 * The API over a scripted generator, as a program of its own: it prints its address, and ends when
 * its input does. For tests that have other packages than the product.
 *
 *     deno run -P=test tests/support/scripted_server.ts
 *
 * A prompt with `[refuse GROUP CODE]` is refused with that error, before its first event.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";
import {
  createApi,
  type GenerateRequest,
  type GenerationEvent,
  serveApi,
} from "../../runtime/api/mod.ts";
import { ScriptedGenerator } from "./scripted_generator.ts";

class Refusing extends ScriptedGenerator {
  override async *generate(
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent> {
    const [, group, code] = /\[refuse (\w+) (\w+)\]/.exec(JSON.stringify(request.prompt)) ?? [];
    if (code !== undefined) throw new OrreryError({ group, code, message: "why" });
    yield* super.generate(request, signal);
  }
}

const stop = new AbortController();
const server = await serveApi({
  app: createApi(new Refusing(), { version: "0.0.0" }),
  host: "127.0.0.1",
  port: 0,
  signal: stop.signal,
  drainMs: 1_000,
});
// deno-lint-ignore no-console -- who started it must know the address
console.log(server.url);
await Deno.stdin.readable.pipeTo(new WritableStream()); // until whoever started it has ended
stop.abort();
await server.finished;
