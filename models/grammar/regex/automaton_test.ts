import assert from "node:assert/strict";
import { hasCode } from "../../../actors/system/errors.ts";
import {
  acceptsText,
  ALL_TEXTS,
  automatonOf,
  both,
  except,
  isEmpty,
  ofLength,
  parseRegex,
  textsAutomaton,
} from "./mod.ts";

/** Patterns whose meaning for JavaScript is ours. */
const PATTERNS = [
  ...["a", "^a", "a$", "^a$", "^$", "", "(^a|b$)c?", "a|b|", "(a|b)*c", "^(?:ab){2,3}$", "a{2,}"],
  ...["[a-c]", "[^a-c]", "[\\]a]", "\\d+", "\\D", "\\w-\\W", "\\s\\S", ".", "^.*$", "a.b"],
  ...["\\u0041", "\\x41", "\\u{1F600}", "\\p{Lu}", "\\P{L}", "[\\p{Nd}_]", "a+?b", "(?<n>a)b"],
  ...["^a||b$", "a(^b)", "(a$)b", "^^a$$", "\\.", "\\/", "[.]", "\\cA", "[\\b]", "x{0}y", "^[^]"],
];
const TEXTS = [
  ...[
    "",
    "a",
    "b",
    "ab",
    "ba",
    "abab",
    "ababab",
    "abababab",
    "c",
    "aac",
    "bc",
    "A",
    "é",
    "É",
    "😀",
  ],
  ...[
    "a\nb",
    "a b",
    "a.b",
    "1",
    "٣",
    "_",
    "]",
    "-",
    ".",
    "/",
    "\u0001",
    "\b",
    "y",
    "xy",
    "\n",
    "aa",
  ],
];

Deno.test("automatonOf() matches where RegExp does", () => {
  for (const pattern of PATTERNS) {
    const regex = parseRegex(pattern);
    const here = automatonOf(regex, "anywhere");
    const whole = automatonOf(regex, "whole");
    for (const text of TEXTS) {
      assert.equal(
        acceptsText(here, text),
        new RegExp(pattern, "u").test(text),
        `${pattern} in ${text}`,
      );
      const all = new RegExp(`^(?:${pattern})$`, "u").test(text);
      assert.equal(acceptsText(whole, text), all, `${pattern} is ${text}`);
    }
  }
});

Deno.test("parseRegex() refuses what no automaton can say", () => {
  for (
    const pattern of [
      "(?=a)",
      "(?<!a)",
      "(a)\\1",
      "\\bword",
      "a**",
      "(a",
      "a)",
      "[a",
      "*",
      "a{3,2}",
    ]
  ) {
    assert.throws(() => parseRegex(pattern), (error) => hasCode(error, "grammar_invalid"), pattern);
  }
});

Deno.test("both() and except() combine automata", () => {
  const a = automatonOf(parseRegex("^a"), "anywhere");
  const z = automatonOf(parseRegex("z$"), "anywhere");
  assert.ok(acceptsText(both(a, z), "a-z") && !acceptsText(both(a, z), "a-"));
  assert.ok(acceptsText(except(a, z), "ab") && !acceptsText(except(a, z), "az"));
  assert.ok(isEmpty(both(a, except(ALL_TEXTS, a))));
  const short = except(ofLength(1, 2), textsAutomaton(["ab", "é"]));
  for (const text of ["a", "😀😀"]) assert.ok(acceptsText(short, text), text);
  for (const text of ["", "ab", "é", "abc"]) assert.ok(!acceptsText(short, text), text);
});

Deno.test("automatonOf() refuses patterns with too many states", () => {
  for (const pattern of ["(a|b)*a(a|b){20}$", "(?:[a-z]{9999}){9}"]) {
    const regex = parseRegex(pattern);
    assert.throws(
      () => automatonOf(regex, "anywhere"),
      (error) => hasCode(error, "grammar_too_large"),
      pattern,
    );
  }
});
