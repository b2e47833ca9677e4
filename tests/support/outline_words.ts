/**
 * Toy words of outlines: the points are whatever is asked for, the prompt of point k is the outline
 * and a few tokens more.
 *
 * @module
 */
import { type OutlineAnswer, type OutlineText, samplingSchema } from "../../actors/mod.ts";
import { prompt, toyTokens } from "./generation_world.ts";

const greedy = samplingSchema.parse({});
/** The prompt of the toy outline. */
export const outlinePrompt = Int32Array.from([...prompt.subarray(0, 30), 7, 8, 9]);
/** What the toy model answers plainly. */
export const plain = toyTokens(Array.from(prompt), 60, greedy);
/** What the toy model says as the outline. */
export const outline = toyTokens(Array.from(outlinePrompt), 12, greedy);
/** The outline ends with this token. */
export const EOS = outline[10];

/**
 * Toy words: the points are whatever is asked for, the prompt of point k is the outline and a few
 * tokens more.
 */
export function words(points: string[], more: Partial<OutlineText> = {}): OutlineText {
  return {
    route: { suited: true, why: "it has parts" },
    outlinePrompt: () => outlinePrompt.slice(),
    parse: () => ({ points }),
    write: (points) => ({ tokens: outline.slice(0, 10), text: "", points }),
    branchPrompt: ({ tokens }: OutlineAnswer, k: number) =>
      Int32Array.from([...outlinePrompt, ...tokens, EOS, 5, 6, 40 + k, 41 + k, 42]),
    heading: (all, k) => `${k + 1}. ${all[k]}: `,
    ...more,
  };
}

/** What branch k alone says. */
export function alone(k: number, limit: number): { text: string; cut: boolean } {
  const own = words([]).branchPrompt({ tokens: outline.slice(0, 10), text: "", points: [] }, k);
  const tokens = toyTokens(Array.from(own), limit, greedy);
  const end = tokens.indexOf(EOS);
  return { text: (end < 0 ? tokens : tokens.slice(0, end)).join(" "), cut: end < 0 };
}

/** The points of an outline. */
export const names = (n: number) => Array.from({ length: n }, (_, k) => `Point${k}`);
/** An answer of `n` points, of at most `limit` tokens each. */
export const whole = (n: number, limit: number) =>
  names(n).map((name, k) => `${k + 1}. ${name}: ${alone(k, limit).text}`).join("\n\n");
