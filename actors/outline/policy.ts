/**
 * What holds for a request that does not set it itself. The first node makes it from the graph
 * file, and the deployment carries it to every other node.
 *
 * @module
 */
import { z } from "zod";
import { outlineTemplatesSchema } from "./templates.ts";

/** How an answer may be made; `auto`: the gateway node chooses for each request. */
export const MODES = ["auto", "plain", "speculative", "outline", "outline+speculative"] as const;

/** See {@linkcode MODES}. */
export type Mode = typeof MODES[number];

/**
 * Which stages compute an answer. `one`: the stage with the whole model. `pipeline`: the stages of
 * the pipeline. `auto`: the gateway node chooses for each request.
 */
export const ROUTES = ["auto", "one", "pipeline"] as const;

/** See {@linkcode ROUTES}. */
export type RequestRoute = typeof ROUTES[number];

/**
 * Which questions the mode `auto` answers by an outline. True: those that the router's classifier
 * chooses. `rules`: those that its rules choose. `model`: those that the served model chooses, and
 * where it cannot be asked, those of the classifier. False: none. An object: a question that contains
 * an `unsuited` term gets none, otherwise one that contains a `suited` term gets one, otherwise the
 * classifier decides.
 */
export const outlineRouterSchema = z.union([
  z.boolean(),
  z.enum(["rules", "model"]),
  z.object({ suited: z.array(z.string().min(1)), unsuited: z.array(z.string().min(1)) }),
]);

/** See {@linkcode outlineRouterSchema}. */
export type OutlineRouter = z.infer<typeof outlineRouterSchema>;

/** See the module's text. */
export const requestPolicySchema = z.object({
  /** How answers are made. @default "auto" */
  mode: z.enum(MODES).optional(),
  /** Which stages compute answers. @default "auto" */
  route: z.enum(ROUTES).optional(),
  /** Longest draft in tokens; 0: no drafts. @default the plan's */
  draft_length: z.number().int().nonnegative().optional(),
  /** Prompts of outlines. @default those made for the model */
  templates: outlineTemplatesSchema.optional(),
  /** Which questions `auto` answers by an outline. @default true */
  router: outlineRouterSchema.optional(),
});

/** See {@linkcode requestPolicySchema}. */
export type RequestPolicy = z.infer<typeof requestPolicySchema>;
