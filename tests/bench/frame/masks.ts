// deno-lint-ignore-file no-console -- its lines are its answers
/**
 * `deno task bench:masks`: what the token masks of an answer that is held to a grammar add to a frame
 * of one row, part by part, with a vocabulary of the 0.5B shape.
 *
 * - once for each new mask: packing at the gateway, bytes on every link, encoding and decoding them, unpacking at the last stage;
 * - with each row: choosing a token under the mask, beside choosing one without.
 *
 * The grammar's own work (compiling, walking) is `bench:grammar`'s.
 *
 * @module
 */
import { parseArgs } from "node:util";
import {
  type Frame,
  frameSchema,
  packMask,
  type Sampling,
  samplingSchema,
  seededRandom,
  unpackMask,
} from "../../../actors/mod.ts";
import { sample } from "../../../runtime/engine/sampler.ts";
import { decodeCbor, encodeCbor } from "../../../runtime/mailbox/cbor.ts";
import { describeMachine } from "../shared/figures.ts";

const { values: args } = parseArgs({ options: { rounds: { type: "string", default: "200" } } });
const ROUNDS = Number(args.rounds);
/** Tokens of Qwen2.5's vocabulary. */
const VOCAB = 151_936;
/** Milliseconds of a token on the 0.5B shape, one thread: docs/performance.md. */
const TOKEN_MS = 18.1;

const random = seededRandom(7);
const drawn = (share: number) =>
  Int32Array.from({ length: Math.ceil(VOCAB / 32) }, () => {
    let word = 0;
    for (let bit = 0; bit < 32; bit++) if (random() < share) word |= 1 << bit;
    return word;
  });

const MASKS: Record<string, Int32Array> = {
  "one token": (() => {
    const mask = new Int32Array(Math.ceil(VOCAB / 32));
    mask[90_000 >> 5] = 1;
    return mask;
  })(),
  "1 % of the tokens": drawn(0.01),
  "half of the tokens": drawn(0.5),
  "99 % of the tokens": drawn(0.99),
};

/** Median microseconds of a call. */
function microseconds(call: () => unknown): number {
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const began = performance.now();
    call();
    times.push((performance.now() - began) * 1000);
  }
  return times.sort((a, b) => a - b)[ROUNDS >> 1];
}

/** A few likely tokens, and all others far below them. */
const logits = Float32Array.from(
  { length: VOCAB },
  (_, i) => i % 3001 === 0 ? 15 + 6 * random() : 8 * (random() - 0.5),
);
const row = { vocab: VOCAB, part: (first: number, end: number) => logits.subarray(first, end) };
const history = { tokens: new Int32Array(0), promptRows: 0, position: 100 };
const choose = (sampling: Sampling, allowed?: Int32Array) =>
  microseconds(() => sample(row, sampling, { ...history, allowed }));

const frame: Frame = {
  arena: "a",
  seq: 7,
  base: 100,
  tokens: Int32Array.of(5),
  positions: Int32Array.of(100),
  parents: Int32Array.of(99),
  want: Int32Array.of(0),
  want_samplers: Int32Array.of(0),
};
/** A frame over a link: encoded, decoded and checked. */
const link = (sent: Frame) => microseconds(() => frameSchema.parse(decodeCbor(encodeCbor(sent))));

console.log(describeMachine());
const settings = {
  greedy: samplingSchema.parse({}),
  "top_p 0.9": samplingSchema.parse({ temperature: 1, top_p: 0.9, seed: 3 }),
};
const plainLink = link(frame);
const plain = Object.fromEntries(
  Object.entries(settings).map(([name, sampling]) => [name, choose(sampling)]),
);
const us = (value: number) => `${value.toFixed(0).padStart(5)} µs`;
console.log(
  `without a mask: link ${us(plainLink)}, ` +
    Object.entries(plain).map(([name, value]) => `${name} ${us(value)}`).join(", "),
);
for (const [name, mask] of Object.entries(MASKS)) {
  const bits = packMask(mask, VOCAB);
  const first = { ...frame, masks: [{ id: 1, bits }], want_masks: Int32Array.of(1) };
  const once = {
    pack: microseconds(() => packMask(mask, VOCAB)),
    link: link(first) - plainLink,
    unpack: microseconds(() => unpackMask(bits, VOCAB)),
  };
  const each = Object.fromEntries(
    Object.entries(settings).map(([key, sampling]) => [key, choose(sampling, mask) - plain[key]]),
  );
  const most = once.pack + once.link + once.unpack + Math.max(...Object.values(each));
  console.log(
    `${name}: ${bits.length} bytes; once: ` +
      Object.entries(once).map(([key, value]) => `${key} ${us(value)}`).join(", ") +
      "; each row: " +
      Object.entries(each).map(([key, value]) => `${key} +${us(value)}`).join(", ") +
      `; a row with a new mask: ${(most / 10 / TOKEN_MS).toFixed(2)} % of a token`,
  );
}
