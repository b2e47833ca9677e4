/**
 * The LM head of a graph: a product for each of its parts, or for some of their rows.
 *
 * @module
 */
import { modelError } from "../errors.ts";
import { headBounds, type TokenRange } from "../head_parts.ts";
import type { GraphModel, Group } from "../manifest.ts";
import { type GraphScope, rowProduct, rowsOf, scaled, softcap, weightOf } from "./blocks.ts";
import type { Value } from "./builder.ts";
import type { LogitsOutput } from "./contract.ts";

/** Which logits {@linkcode addHead} adds. */
export interface HeadChoice {
  /** First part of the LM head, 0-based. */
  firstPart: number;
  /** Last part, inclusive. */
  lastPart: number;
  /** Tokens of these parts that have logits, ascending and apart. @default all */
  tokens?: readonly TokenRange[];
}

/** A stored piece of the LM head: all of it, or one of its parts. */
interface HeadPiece {
  group: Group;
  /** What follows `logits`, `lm_head.weight` and the path in its names. */
  suffix: string;
  /** Id of its first token. */
  first: number;
  /** Number of its tokens. */
  rows: number;
}

/**
 * Adds parts of the LM head and, where the model has one, the cap of the logits: (W, H) -> logits
 * (W, part), W being the rows that are scored. Each part is a product of its own, so its logits do not depend on which other parts
 * the graph has. A head that is stored whole is one product. Where only some tokens are wanted, a
 * product reads only the rows of these, in place in the blob: nothing is copied.
 *
 * Throws OrreryError `model/`: `tensor_missing`, `bad_tensor`, `bad_token_range`.
 */
export function addHead(
  stage: GraphScope,
  manifest: GraphModel,
  normed: Value,
  { firstPart, lastPart, tokens }: HeadChoice,
): LogitsOutput[] {
  const { graph, geometry: { hidden, vocab, logit_scale: factor, logit_softcap: cap } } = stage;
  if (tokens) checkRanges(tokens, vocab);
  const add = ({ group, suffix, first, rows }: HeadPiece, range: TokenRange): LogitsOutput => {
    const whole = weightOf(group, "lm_head", `lm_head.weight${suffix}`, [rows, hidden]);
    const all = range.first === first && range.rows === rows;
    const ending = all ? suffix : `${suffix}.${range.first}`;
    const some = { first: range.first - first, rows: range.rows };
    const weight = all ? whole : rowsOf(whole, `lm_head.weight${ending}`, some);
    const biases = stage.geometry.head_bias
      ? weightOf(group, "lm_head_bias", `lm_head.bias${suffix}`, [rows])
      : undefined;
    const bias = biases && (all ? biases : rowsOf(biases, `lm_head.bias${ending}`, some));
    const [name, path] = [`logits${ending}`, `/lm_head${ending}`];
    const raw = factor === undefined && cap === undefined ? name : `${path}/logits`;
    rowProduct(stage, path, normed, weight, { output: raw, bias });
    const wide = scaled(
      stage,
      `${path}/scale`,
      raw,
      factor,
      cap === undefined ? name : `${path}/scaled`,
    );
    if (cap !== undefined) softcap(stage, `${path}/softcap`, wide, cap, name);
    graph.output(name, "f32", ["scored", range.rows]);
    return { name, ...range };
  };
  return piecesOf(manifest, vocab).slice(firstPart, lastPart + 1).flatMap((piece) =>
    overlaps(piece, tokens ?? [piece]).map((range) => add(piece, range))
  );
}

/** The stored pieces of the LM head, in the order of their tokens. */
function piecesOf({ head, head_parts: parts }: GraphModel, vocab: number): HeadPiece[] {
  if (!parts) return [{ group: head, suffix: "", first: 0, rows: vocab }];
  const bounds = headBounds(vocab);
  return parts.map((group, part) => ({
    group,
    suffix: `.${part}`,
    first: bounds[part],
    rows: bounds[part + 1] - bounds[part],
  }));
}

/** What of these ranges lies in a piece. */
function overlaps(piece: TokenRange, ranges: readonly TokenRange[]): TokenRange[] {
  return ranges.flatMap((range) => {
    const first = Math.max(range.first, piece.first);
    const rows = Math.min(range.first + range.rows, piece.first + piece.rows) - first;
    return rows > 0 ? [{ first, rows }] : [];
  });
}

/** Throws `bad_token_range` (group `model`) unless the ranges are ascending, apart and inside. */
function checkRanges(tokens: readonly TokenRange[], vocab: number): void {
  let end = 0;
  for (const { first, rows } of tokens) {
    const whole = Number.isInteger(first) && Number.isInteger(rows);
    if (whole && first >= end && rows > 0 && first + rows <= vocab) {
      end = first + rows;
      continue;
    }
    throw modelError(
      "bad_token_range",
      `${rows} tokens from ${first} on do not follow token ${end - 1} within ${vocab} tokens`,
      { first, rows, vocab },
    );
  }
  if (end === 0) {
    throw modelError("bad_token_range", "an LM head needs at least one token", { vocab });
  }
}
