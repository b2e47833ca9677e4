/**
 * What is wrong with an entry of a graph file.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** An error of group `graph`. */
export const graphProblem = (code: string, message: string): OrreryError =>
  new OrreryError({ group: "graph", code, message });
