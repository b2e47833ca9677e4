/**
 * The groups of a model, each of which becomes one blob.
 *
 * @module
 */
import type { Described, TensorSpec } from "../arch/mod.ts";
import { HEAD_PARTS, headBounds } from "../head_parts.ts";
import type { Block, Precision, TensorFormat } from "../manifest.ts";
import type { GroupFormats } from "./convert.ts";

/** How the keys of the layers and of the head's parts begin. */
export const [LAYER, PART] = ["layer ", "head part "];

/** Whether a group is a layer. */
export const isLayer = ({ key }: { key: string }): boolean => key.startsWith(LAYER);

/** Precisions of the parts of a model. */
export interface Precisions {
  /** Precision of the layers' projections. */
  precision: Precision;
  /** TensorFormat of the embedding. */
  embedding: TensorFormat;
  /** TensorFormat of the LM head. */
  head: TensorFormat;
  /** Inputs that share a scale in q4 and q8, see {@linkcode GroupFormats}. */
  block?: Block;
  /** Longest context in rows where one was asked for; the blobs do not depend on it. */
  context?: number;
  /** Whether projections in q4 are calibrated. */
  calibrated?: boolean;
}

/** A group that is to be converted. */
export interface PlannedGroup {
  /** `embedding`, `layer 3`, `head`, `head part 0`. */
  key: string;
  specs: TensorSpec[];
  formats: GroupFormats;
}

/** The groups of a model in the order of their conversion. */
export function plannedGroups(
  { architecture, geometry }: Described,
  precisions: Precisions,
): PlannedGroup[] {
  const { precision, embedding, head, block } = precisions;
  const plan = architecture.tensors(geometry);
  const group = (key: string, specs: TensorSpec[], vocabulary: TensorFormat): PlannedGroup => (
    { key, specs, formats: { precision, vocabulary, block } }
  );
  return [
    group("embedding", plan.embedding, embedding),
    ...plan.layers.map((specs, index) => group(`layer ${index}`, specs, embedding)),
    ...headGroups(plan.head, geometry.vocab).map(({ key, specs }) => group(key, specs, head)),
  ];
}

/**
 * The groups of the head: its norm, and the LM head by vocabulary rows, so that a device fetches
 * only its parts. A vocabulary with fewer tokens than parts stays whole.
 */
function headGroups(head: TensorSpec[], vocab: number): { key: string; specs: TensorSpec[] }[] {
  if (vocab < HEAD_PARTS) return [{ key: "head", specs: head }];
  const ofTokens = head.filter(({ key }) => key.startsWith("lm_head"));
  const bounds = headBounds(vocab);
  const parts = bounds.slice(1).map((end, part) => ({
    key: `${PART}${part}`,
    specs: ofTokens.map((whole) => ({
      ...whole,
      shape: [end - bounds[part], ...whole.shape.slice(1)],
      within: { shape: whole.shape, firstRow: bounds[part] },
    })),
  }));
  return [{ key: "head", specs: head.filter((spec) => !ofTokens.includes(spec)) }, ...parts];
}
