/**
 * How model families write calls: a file each, and which of them a model's template shows.
 *
 * @module
 */
export { formatByTexts, formatOfCalls, TOOL_FORMATS } from "./detect.ts";
export { generic } from "./generic.ts";
