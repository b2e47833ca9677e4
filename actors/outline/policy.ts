/**
 * What holds for requests that do not say: made from the graph file at the first node, carried by
 * the deployment to every other.
 *
 * @module
 */
import { z } from "zod";
import { outlineTemplatesSchema } from "./templates.ts";

/** How an answer may be made; `auto` takes what serves best. */
export const MODES = ["auto", "plain", "speculative", "outline", "outline+speculative"] as const;

/** See {@linkcode MODES}. */
export type Mode = typeof MODES[number];

/**
 * Which questions `auto` answers by an outline. True: as the rules say; false: none; terms that the
 * question contains are stronger than the rules, and `unsuited` ones stronger than `suited` ones.
 */
export const outlineRouterSchema = z.union([
  z.boolean(),
  z.object({ suited: z.array(z.string().min(1)), unsuited: z.array(z.string().min(1)) }),
]);

/** See {@linkcode outlineRouterSchema}. */
export type OutlineRouter = z.infer<typeof outlineRouterSchema>;

/** See the module's text. Every field may be left out. */
export const requestPolicySchema = z.object({
  /** @default "auto" */
  mode: z.enum(MODES).optional(),
  /** Longest draft in tokens; 0: none. @default the plan's */
  draft_length: z.number().int().nonnegative().optional(),
  /** Prompts of outlines. @default those that fit the model */
  templates: outlineTemplatesSchema.optional(),
  /** @default true */
  router: outlineRouterSchema.optional(),
});

/** See {@linkcode requestPolicySchema}. */
export type RequestPolicy = z.infer<typeof requestPolicySchema>;
