/**
 * Connects to a process with a mailbox and lets it connect, again and again, and breaks each
 * connection at another moment: amid frames, behind a GOAWAY, with streams open, by a reset. The
 * process must live. `deno task soak:transport --connects 200000 --seed 7`.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { parseArgs } from "node:util";
import { seededRandom } from "../../actors/mod.ts";
import { soakTransport } from "./transport/soak.ts";

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      connects: { type: "string", default: "100000" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
    },
  });
  console.log(`seed ${values.seed}`);
  const result = await soakTransport({
    connects: Number(values.connects),
    random: seededRandom(Number(values.seed)),
    onProgress: (line) => console.log(line),
  });
  console.log(JSON.stringify(result));
  Deno.exit(result.deaths === 0 ? 0 : 1);
}
