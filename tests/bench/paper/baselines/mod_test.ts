import assert from "node:assert/strict";
import { seededRandom } from "../../../../actors/system/simulation.ts";
import type { BoardSpeed, LinkSpeed } from "../hardware.ts";
import { BOARDS, MODELS } from "../published.ts";
import { WAYS } from "./collectives.ts";
import type { Fleet } from "./fleet.ts";
import { type BaselineName, BASELINES, lackingWhole } from "./mod.ts";

const NAMES = Object.keys(BASELINES) as BaselineName[];
const INSTANT: LinkSpeed = { message_s: 0, bytesPerS: Infinity };
const MODEL = MODELS["7B"];

/** Speeds and requests over several orders of magnitude. */
function drawn(seed: number) {
  const random = seededRandom(seed);
  const between = (low: number, high: number) => low * (high / low) ** random();
  const board = (): BoardSpeed => ({
    launch_s: between(1e-6, 1e-2),
    read_s: between(1e-12, 1e-10),
    compute_s: between(1e-13, 1e-10),
  });
  return {
    board,
    link: { message_s: between(1e-5, 1e-1), bytesPerS: between(1e5, 1e9) },
    request: { prompt: Math.ceil(between(1, 2000)), tokens: Math.ceil(between(1, 500)) },
    boards: Math.ceil(between(1, 9)),
    slower: between(1, 10),
  };
}

Deno.test("a baseline with more equal boards on instant links is never slower", () => {
  for (let seed = 0; seed < 100; seed++) {
    const { board, request } = drawn(seed);
    const one = board();
    for (const name of NAMES) {
      let before = Infinity;
      for (let count = 1; count <= 9; count++) {
        const fleet: Fleet = {
          boards: new Array<BoardSpeed>(count).fill(one),
          link: INSTANT,
          way: "ring",
        };
        const { seconds } = BASELINES[name](fleet, MODEL, request);
        assert.ok(seconds <= before * (1 + 1e-12), `${name}, ${count} boards, seed ${seed}`);
        before = seconds;
      }
    }
  }
});

Deno.test("a baseline on slower links or boards is never faster", () => {
  for (let seed = 0; seed < 200; seed++) {
    const { board, link, request, boards: count, slower } = drawn(seed);
    const boards = Array.from({ length: count }, board);
    for (const way of WAYS) {
      const fleet: Fleet = { boards, link, way };
      const changed: Record<string, Fleet> = {
        latency: { ...fleet, link: { ...link, message_s: link.message_s * slower } },
        bandwidth: { ...fleet, link: { ...link, bytesPerS: link.bytesPerS / slower } },
        boards: {
          ...fleet,
          boards: boards.map(({ launch_s, read_s, compute_s }) => ({
            launch_s: launch_s * slower,
            read_s: read_s * slower,
            compute_s: compute_s * slower,
          })),
        },
      };
      for (const name of NAMES) {
        const { seconds } = BASELINES[name](fleet, MODEL, request);
        for (const [what, worse] of Object.entries(changed)) {
          const found = BASELINES[name](worse, MODEL, request).seconds;
          assert.ok(found >= seconds * (1 - 1e-12), `${name}, ${way}, ${what}, seed ${seed}`);
        }
      }
    }
  }
});

Deno.test("every baseline on one board takes the same time", () => {
  for (let seed = 0; seed < 50; seed++) {
    const { board, link, request } = drawn(seed);
    const fleet: Fleet = { boards: [board()], link, way: "ring" };
    const [first, ...others] = NAMES.map((name) => BASELINES[name](fleet, MODEL, request).seconds);
    for (const other of others) assert.ok(Math.abs(other / first - 1) < 1e-12, `seed ${seed}`);
  }
});

Deno.test("lackingWhole() says that 13B fits no board and that 7B does not fit a Nano", () => {
  const request = { prompt: 260, tokens: 64 };
  assert.equal(lackingWhole(BOARDS.A, MODELS["7B"], request).length, 0);
  assert.deepEqual(
    lackingWhole(BOARDS.B, MODELS["7B"], request).map(({ board }) => board),
    ["nano"],
  );
  const lacking = lackingWhole(BOARDS.B, MODELS["13B"], request);
  assert.deepEqual(lacking.map(({ board }) => board), BOARDS.B);
  assert.ok(lacking.every(({ bytes }) => bytes > 0));
});
