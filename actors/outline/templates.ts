/**
 * The prompts that ask a model for an outline, and for the text of one of its points. Both are
 * turns of one conversation, so the outline's rows are the shared prefix of every branch.
 *
 *     ... user: outline turn | assistant: the outline | user: point turn k | assistant: ...
 *
 * The outline turn follows Skeleton-of-Thought (Ning et al., 2023): points of three to five words,
 * each of which is then expanded alone.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../system/mod.ts";

/** Schema of a text that contains each of these fields. */
const holding = (...names: string[]) =>
  z.string().min(1).refine(
    (text) => names.every((n) => text.includes(`{${n}}`)),
    `must contain ${names.map((n) => `{${n}}`).join(" and ")}`,
  );

/**
 * Texts with fields to fill in: `{question}`, `{outline}`, `{index}` (from 1), `{point}`,
 * `{points}` (how many there are).
 */
export const outlineTemplatesSchema = z.strictObject({
  /** The user's turn that asks for the outline. It must contain `{question}`. */
  outline: holding("question"),
  /**
   * The user's turn that asks for one point; it follows the outline as the assistant's turn. It
   * must contain `{index}` or `{point}`.
   */
  point: z.string().min(1).refine(
    (text) => text.includes("{point}") || text.includes("{index}"),
    "must contain {point} or {index}",
  ),
}, {
  error: (issue) =>
    issue.code === "unrecognized_keys" ? "expected one of outline, point" : undefined,
});

/** See {@linkcode outlineTemplatesSchema}. */
export type OutlineTemplates = z.infer<typeof outlineTemplatesSchema>;

/**
 * Templates for chat models that were not trained to write outlines. Each branch knows the others'
 * headings, since the outline stands before its turn as the assistant's answer. The turn names its
 * own heading alone and what to do with it last: small models copy what stands before the answer,
 * be it the outline again, "leave out the other points", or "the point to write is ..."
 * (docs/performance.md has the figures).
 */
export const CHAT_TEMPLATES: OutlineTemplates = {
  outline: "{question}\n\n" +
    "Do not answer yet. Write only the outline of your answer: a numbered list of 3 to 8 points, one a line, each of 3 to 5 words, " +
    "such that every point can be explained without the others. No introduction, no details, no closing words.",
  point: 'Explain point {index} of your outline, "{point}", in one or two sentences.',
};

/** Templates for the embedded model, which was trained on them. */
export const EMBEDDED_TEMPLATES: OutlineTemplates = {
  outline: "Outline: {question}",
  point: "Expand point {index}: {point}",
};

/** Fills the fields of a template. A field that `values` does not have stays as it is. */
export function fill(template: string, values: Record<string, string | number>): string {
  return template.replace(
    /\{(\w+)\}/g,
    (all, name) => Object.hasOwn(values, name) ? String(values[name]) : all,
  );
}

/**
 * Checks templates that came from outside. Throws group `actor`, code `bad_template` (metadata:
 * `path`); the message names the template and what it lacks.
 */
export function checkTemplates(templates: unknown): OutlineTemplates {
  const result = outlineTemplatesSchema.safeParse(templates);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = [
    ...issue.path,
    ...(issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : []),
  ];
  throw new OrreryError({
    group: "actor",
    code: "bad_template",
    message: `outline template ${path.join(".") || "object"}: ${issue.message}`,
    metadata: { path: path.join(".") },
  });
}
