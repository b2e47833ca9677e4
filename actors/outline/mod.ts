/**
 * Outlines: which questions they suit, the prompts that ask for them, and how their text becomes
 * points. Pure functions.
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
} from "./policy.ts";
export { type Route, routeBy } from "./router.ts";
export {
  CHAT_TEMPLATES,
  EMBEDDED_TEMPLATES,
  fill,
  type OutlineTemplates,
  outlineTemplatesSchema,
} from "./templates.ts";
