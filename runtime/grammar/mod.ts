/**
 * Holds answers to grammars: compiles what a request's constraint says into a grammar, in threads
 * beside the node's, and walks through it as the answer grows.
 *
 *     const grammars = openGrammars({ tokenizer, eos, vocab });
 *     const walk = await grammars.open({ kind: "json_schema", schema }, signal);
 *     const [step] = await walk.steps([], 1);
 *
 * @module
 */
export { TextsWalk, type TextsWalkOptions } from "./texts_walk.ts";
export { type Grammars, type GrammarsOptions, openGrammars } from "./grammars.ts";
