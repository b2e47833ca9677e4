/**
 * Router: decides whether a question is suited to an outline, that is, whether its answer consists
 * of points that do not depend on each other.
 *
 * Words that the graph file names decide first, then limits of length, then a small classifier
 * that was trained on some thousand labelled questions (`classifier.ts`). Where the graph file says
 * so, readable rules decide in its place (`rules.ts`); the classifier also looks at them.
 *
 * @module
 */
import { classify } from "./classifier.ts";
import type { OutlineRouter } from "./policy.ts";
import type { Route } from "./route.ts";
import { routeByRules } from "./rules.ts";

/** Fewest words of a question that is suited. */
const FEWEST_WORDS = 3;
/** Fewest characters of one that is written without spaces. */
const FEWEST_CHARACTERS = 6;
/** Most words of a question that is suited. */
const MOST_WORDS = 300;
/** Most characters of a question that is suited. */
const MOST_CHARACTERS = 2500;

/**
 * Decides by the classifier. A question of fewer than 3 words (fewer than 6 characters in scripts
 * without spaces), of more than 300 words, or of more than 2500 characters is never suited.
 */
export function route(question: string): Route {
  const text = question.trim();
  const words = text.split(/\s+/).length;
  if (words > MOST_WORDS || text.length > MOST_CHARACTERS) {
    return { outline: false, rule: "too long", why: "so long a message is more than one question" };
  }
  const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u.test(
    text,
  );
  if (unspaced ? text.length < FEWEST_CHARACTERS : words < FEWEST_WORDS) {
    return { outline: false, rule: "too short", why: "so short a question has a short answer" };
  }
  const { suited, kind } = classify(text);
  const sure = Math.round(100 * (kind.suited ? suited : 1 - suited));
  return { outline: kind.suited, rule: kind.kind, why: `${kind.why} (${sure} % sure)` };
}

/**
 * Decides as the graph file's `actors.outline.router` says. False: no question is suited. `rules`:
 * the rules decide. `model`: the served model is asked (`model_router.ts`), and the
 * classifier decides where it is not. An object: a term that the question contains, as whole words in any case,
 * decides first, unsuited terms before suited ones. Otherwise {@linkcode route} decides.
 */
export function routeBy(router: OutlineRouter, question: string): Route {
  if (router === false) {
    return {
      outline: false,
      rule: "off",
      why: "the graph leaves outlines to requests that ask for one",
    };
  }
  if (router === true || router === "model") return route(question);
  if (router === "rules") return routeByRules(question);
  const against = router.unsuited.find((term) => contains(question, term));
  if (against !== undefined) {
    return {
      outline: false,
      rule: "unsuited term",
      why: `the graph says so of ${JSON.stringify(against)}`,
    };
  }
  const suited = router.suited.find((term) => contains(question, term));
  if (suited !== undefined) {
    return {
      outline: true,
      rule: "suited term",
      why: `the graph says so of ${JSON.stringify(suited)}`,
    };
  }
  return route(question);
}

/**
 * Whether the question contains the term as whole words, in any case. Terms are plain text; a space
 * in one matches any white space.
 */
function contains(question: string, term: string): boolean {
  const words = term.trim().split(/\s+/).map((word) =>
    word.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&")
  );
  return new RegExp(`(?<![\\p{L}\\p{N}])${words.join("\\s+")}(?![\\p{L}\\p{N}])`, "iu").test(
    question,
  );
}
