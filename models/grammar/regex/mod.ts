/**
 * Regular expressions: read, as automata that tell which texts they match, and written as grammars.
 *
 * @module
 */
export {
  acceptsText,
  ALL_TEXTS,
  type Automaton,
  automatonOf,
  both,
  except,
  isEmpty,
  ofLength,
  textsAutomaton,
} from "./automaton.ts";
export { type CharWriter, IN_JSON, PLAIN, writeAutomaton, writeRegex } from "./emit.ts";
export { parseRegex, type Regex } from "./syntax.ts";
