/**
 * What a model is told to write an outline, and to expand a point of it. Both are turns of one
 * conversation, so the outline's rows are the shared prefix of every branch.
 *
 *     ... user: outline turn | assistant: the outline | user: point turn k | assistant: ...
 *
 * The directive follows Skeleton-of-Thought (Ning et al., 2023): points of three to five words,
 * then each expanded alone.
 *
 * @module
 */
import { z } from "zod";
import { OrreryError } from "../system/mod.ts";

const holding = (...names: string[]) =>
  z.string().min(1).refine(
    (text) => names.every((n) => text.includes(`{${n}}`)),
    `must contain ${names.map((n) => `{${n}}`).join(" and ")}`,
  );

/**
 * Texts with `{question}`, `{outline}`, `{index}`, `{point}`, `{points}` (how many there are) to
 * fill in.
 */
export const outlineTemplatesSchema = z.strictObject({
  /** The turn that asks for the outline; must name `{question}`. */
  outline: holding("question"),
  /**
   * The turn that asks for point k, after the outline as the assistant's turn; must name `{index}`
   * or `{point}`.
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

/** For chat models that were never trained for it. */
export const CHAT_TEMPLATES: OutlineTemplates = {
  outline: "{question}\n\n" +
    "Do not answer yet. Write only the outline of your answer: a numbered list of 3 to 8 points, one a line, each of 3 to 5 words, " +
    "such that every point can be explained without the others. No introduction, no details, no closing words.",
  point:
    "Now write point {index} and nothing else: {point}\n\nOne or two sentences. Do not repeat the point's number or title, and do not " +
    "touch the other points.",
};

/** The forms that the embedded model was trained on. */
export const EMBEDDED_TEMPLATES: OutlineTemplates = {
  outline: "Outline: {question}",
  point: "Expand point {index}: {point}",
};

/** Fills a template in; a brace that names nothing known stays as it is. */
export function fill(template: string, values: Record<string, string | number>): string {
  return template.replace(
    /\{(\w+)\}/g,
    (all, name) => Object.hasOwn(values, name) ? String(values[name]) : all,
  );
}

/**
 * Checks templates from outside. Throws group `actor`, code `bad_template`, naming the template and
 * what it lacks.
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
