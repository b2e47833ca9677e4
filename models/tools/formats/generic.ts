/**
 * Models whose template shows no calls of functions, or such as are not read here: they are told of
 * the functions in a system message, and asked for calls as `hermes` has them.
 *
 * @module
 */
import type { ToolFormat } from "../format.ts";
import { hermes } from "./hermes.ts";

/** See the module's text. */
export const generic: ToolFormat = { ...hermes, name: "generic" };
