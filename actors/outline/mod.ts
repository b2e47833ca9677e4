/**
 * Outlines: which questions are answered by an outline, the prompts that ask for one, and how its
 * text becomes points. Pure functions.
 *
 * @module
 */
export * from "./contract.ts";
export { type OutlinePoint, type ParsedOutline, parseOutline } from "./parse.ts";
export {
  type Mode,
  MODES,
  type OutlineRouter,
  outlineRouterSchema,
  type RequestPolicy,
  requestPolicySchema,
  type RequestRoute,
  ROUTES,
} from "./policy.ts";
export { type Route } from "./route.ts";
export { type FirstToken, readRouterAnswer, ROUTER_TURN } from "./model_router.ts";
export { routeBy } from "./router.ts";
export {
  CHAT_TEMPLATES,
  EMBEDDED_TEMPLATES,
  fill,
  type OutlineTemplates,
  outlineTemplatesSchema,
} from "./templates.ts";
