/**
 * Rules of the router: readable ones, the first of which that matches decides. Not suited are
 * answers whose lines depend on each other (code, proofs, stories), answers that are bound to a
 * given text (translations, summaries), and short answers. A question that no rule matches is not
 * suited either: a plain answer is never wrong, an outline may be. What is asked *for* decides, not
 * what is talked about: "write a poem about the advantages of autumn" asks for a poem, "how do I
 * write better poems" asks for advice.
 *
 * The classifier has learned how far each rule is right (`classifier.ts`); alone, the rules decide
 * where the graph file asks for them.
 *
 * @module
 */
import type { Route } from "./route.ts";
import * as W from "./rule_words.ts";

/** A question in the forms that the rules look at. */
export interface AskedQuestion {
  /** The question on one line, without polite words at its beginning. */
  request: string;
  /** The whole question on one line. */
  line: string;
  /** How many sentences the request has. */
  sentences: number;
}

/** A rule of the router. */
interface Rule {
  /** Its name. */
  rule: string;
  /** The reason that it gives, as a clause that follows "because". */
  why: string;
  /** Whether the rule matches. */
  hit(asked: AskedQuestion): boolean;
}

/** Fewest words of a question that is suited. */
const FEWEST_WORDS = 4;
/** Most words of a question that is suited. */
const MOST_WORDS = 120;
/** Most characters of a question that is suited. */
const MOST_CHARACTERS = 1500;
/** Most polite phrases that are taken off the beginning of a question. */
const MOST_FILLERS = 4;

/** Matches a polite phrase at the beginning of a question. */
const FILLER = new RegExp(`^(?:${W.FILLERS.join("|")})(?![\\p{L}\\p{N}'])[\\s,.!:;]*`, "iu");

const CRAFT = W.mentions(W.ABOUT_A_CRAFT);
const CODE_HERE = W.mentions(W.CODE_HERE);
const CODE_TOOL = W.mentions(W.CODE_TOOLS);
const CONCEPT = W.begins(W.CONCEPT);
const PROGRAM = asksFor(W.PROGRAMMING, [...W.CODE_THINGS, ...W.CODE_THINGS_TO_WRITE]);
const MAKE_CODE = asksFor(W.MAKING, W.CODE_THINGS);
const MATHS = W.mentions(W.MATHS);
const PROVE = W.begins([
  "prove|show that|verify that|solve|how (?:do|can) (?:i|you) (?:calculate|compute)",
]);
const PUZZLE = W.mentions(W.PUZZLES);
const PUZZLE_SCENE = W.begins(W.PUZZLE_SCENES);
const TRANSLATE = W.begins(W.TRANSLATE);
const LANGUAGE = W.oneOf(W.LANGUAGES);
const INTO_LANGUAGE = W.mentions([
  `translate (?:this|that|these|it|into|to|from)`,
  `translate .{1,120} (?:into|to) ${LANGUAGE}`,
  `(?:in|into|to|auf|en|al|ins) ${LANGUAGE}\\s*[:"“«']`,
  `(?:put|say|write|turn|convert|read) .{1,200} (?:in|into|to) ${LANGUAGE}`,
  `(?:say|spell|pronounce|write) .{1,80} in ${LANGUAGE}`,
  `(?:put|say|write) (?:this|that|it|the following) (?:in|into) ${LANGUAGE}`,
  `what(?:'s|s| is| does)?\\b.{1,60} (?:in|mean in) ${LANGUAGE}`,
  `(?:sagt man|heißt|dit-on|se dice|si dice) .{1,60} ${LANGUAGE}`,
]);
const EDIT = W.begins(W.EDITING);
const GIVEN = /[:"“«]|\b(?:this|these|the following|my|below|it|that|them)\b/i;
const THE_TEXT = W.mentions(W.THE_TEXT);
/**
 * Matches a colon or line break, then a passage of at least 12 words that does not end with a
 * question mark: a text to work on.
 */
const PASSAGE = /[:\n](?:\s*["“])?\s*(?:[^\s?]+\s+){11,}[^\s?]+\s*$/;
const TELL = new RegExp(
  `^(?:${W.TELLING.join("|")})\\s(?:[\\p{L}'-]+\\s){0,5}?(?:${
    W.TEXT_FORMS.join("|")
  })(?![\\p{L}-])`,
  "iu",
);
const FORM_ABOUT = W.begins([
  `(?:an? )?(?:[\\p{L}]+ )?(?:${W.TEXT_FORMS.join("|")}) (?:about|on|for|of)`,
]);
const VERSE = W.mentions(W.VERSES);
const ABOUT_VERSE = W.begins(W.ABOUT_THEM);
const ROLE = W.begins(W.ROLES);
const WRITE = W.begins(["write|draft|compose|generate|schreibe?|écris|escribe"]);
const LISTS = W.mentions(W.LISTS);
const SHORT = W.mentions(W.SHORT);
const FACT = W.begins(W.FACTS);
const CHORE = W.begins(W.CHORES);
/** Matches a choice of two: "What causes the tides, the sun or the moon?" */
const CHOICE = /[,:] (?:the |a |an )?[\p{L}'-]+ or (?:the |a |an )?[\p{L}'-]+\s*\?$/iu;
const AND_WHY = /\band (?:explain )?why\b|\bgive (?:me )?(?:the |some )?reasons\b/i;
const YES_NO = W.begins(W.YES_NO);
/** Matches a yes-or-no question that asks for more: "Do you have tips", "is it X? Explain why". */
const ASKS_MORE =
  /^(?:do|have|got|hast|habt) (?:you|u|du|ihr) (?:have |got )?(?:any |some |a few |ein paar )?(?:good )?(?:tips|advice|ideas|suggestions|tipps|ideen)|[.?!]\s+(?:please )?(?:give|list|explain|tell|describe|what|how|why|compare|discuss)\b(?!.*\b(?:yes|no|one word)\b)/i;
const SMALL_TALK = new RegExp(
  `^(?:${W.SMALL_TALK.join("|")})(?![\\p{L}])(?:[^\\p{L}]+\\p{L}+){0,5}[^\\p{L}]*$`,
  "iu",
);
const YOURSELF = W.mentions(W.YOURSELF);
const BACK = W.mentions(W.POINTING_BACK);
const BACK_START = W.begins([
  "and|no|but|nope|why not|how so|what about|how about|any (?:other|more)",
  "(?:how|why|what|when|where) (?:does|did|is|was|would|could|about) (?:that|this)",
  "(?:are|is) there (?:any )?(?:other|more)",
]);
/** Matches a question about something in an earlier message: "What are the advantages of that?" */
const BACK_END =
  /^[^,]*(?<!\beach )\b(?:of|about|for|with|to|do|in) (?:that|this|it|those|them|these)\W*$/i;

/** Rules by which a question is not suited; they are tried first. */
const AGAINST: Rule[] = [
  {
    rule: "code",
    why: "lines of code depend on each other",
    hit: ({ request }) =>
      W.CODE_MARKS.test(request) || PROGRAM.test(request) ||
      (!CRAFT.test(request) &&
        (CODE_HERE.test(request) || MAKE_CODE.test(request) ||
          (CODE_TOOL.test(request) && !CONCEPT.test(request)))),
  },
  {
    rule: "maths",
    why: "a calculation or proof depends on its own steps",
    hit: ({ request }) =>
      W.FORMULA.test(request) || PROVE.test(request) ||
      (MATHS.test(request) && !CRAFT.test(request)),
  },
  {
    rule: "puzzle",
    why: "each step of the reasoning needs the one before",
    hit: ({ request }) =>
      PUZZLE.test(request) ||
      (PUZZLE_SCENE.test(request) && /\?/.test(request) && !/\b(?:my|our|us)\b/i.test(request)),
  },
  {
    rule: "translation",
    why: "a translation follows its text",
    hit: ({ request }) => TRANSLATE.test(request) || INTO_LANGUAGE.test(request),
  },
  {
    rule: "given text",
    why: "the answer is bound to the text that is given",
    hit: ({ request }) =>
      (EDIT.test(request) && GIVEN.test(request)) || THE_TEXT.test(request) ||
      PASSAGE.test(request),
  },
  {
    rule: "story",
    why: "each part of a narrative, a verse or a letter builds on the one before",
    hit: ({ request }) =>
      FORM_ABOUT.test(request) ||
      (!ABOUT_VERSE.test(request) && (TELL.test(request) || VERSE.test(request))) ||
      ROLE.test(request) ||
      (WRITE.test(request) && !LISTS.test(request)),
  },
  {
    rule: "short form",
    why: "a short answer was asked for",
    hit: ({ request }) => SHORT.test(request),
  },
  {
    rule: "fact",
    why: "a fact is a sentence, not a list",
    hit: ({ request }) => (FACT.test(request) || CHOICE.test(request)) && !AND_WHY.test(request),
  },
  {
    rule: "procedure",
    why: "each step needs the one before",
    hit: ({ request }) => CHORE.test(request),
  },
  {
    rule: "small talk",
    why: "this is conversation",
    hit: ({ request, line }) => SMALL_TALK.test(request) || YOURSELF.test(line),
  },
  {
    rule: "yes or no",
    why: "the question asks for a yes or a no",
    hit: ({ request }) => YES_NO.test(request) && !ASKS_MORE.test(request),
  },
  {
    rule: "recall",
    why: "the answer depends on what was said before",
    hit: ({ request, sentences }) =>
      BACK.test(request) || BACK_START.test(request) || (sentences === 1 && BACK_END.test(request)),
  },
];

const ADVICE = W.mentions(W.ADVICE);
const HOW_TO = W.mentions(W.HOW_TO);
const ASPECTS = W.mentions(W.ASPECTS);
const EXPLAIN = W.begins(W.EXPLAIN);
const OTHER_LANGUAGES = W.mentions(W.OTHER_LANGUAGES);

/** Rules by which a question is suited. */
const FOR: Rule[] = [
  {
    rule: "ways and advice",
    why: "advice falls into points that stand alone",
    hit: ({ request }) => ADVICE.test(request),
  },
  {
    rule: "how to",
    why: "a how-to falls into points that stand alone",
    hit: ({ request }) => HOW_TO.test(request),
  },
  {
    rule: "aspects",
    why: "causes, effects and aspects can be told one by one",
    hit: ({ request }) => ASPECTS.test(request),
  },
  {
    rule: "explanation",
    why: "an explanation has parts that stand alone",
    hit: ({ request }) => EXPLAIN.test(request),
  },
  {
    rule: "other languages",
    why: "its words ask for advice, aspects or an explanation, whose points stand alone",
    hit: ({ request }) => OTHER_LANGUAGES.test(request),
  },
];

/**
 * Decides by the rules. A question of fewer than 4 words, of more than 120 words, or of more than
 * 1500 characters is never suited.
 */
export function routeByRules(question: string): Route {
  const asked = readQuestion(question);
  const words = question.trim().split(/\s+/).length;
  // checked first, because the rules may be slow on very long texts
  if (words > MOST_WORDS || question.length > MOST_CHARACTERS) {
    return { outline: false, rule: "too long", why: "so long a message is more than one question" };
  }
  const against = AGAINST.find((rule) => rule.hit(asked));
  if (against) return { outline: false, rule: against.rule, why: against.why };
  if (words < FEWEST_WORDS) {
    return { outline: false, rule: "too short", why: "so short a question has a short answer" };
  }
  const suited = FOR.find((rule) => rule.hit(asked));
  if (suited) return { outline: true, rule: suited.rule, why: suited.why };
  return {
    outline: false,
    rule: "unknown kind",
    why: "no rule says that its answer falls into points",
  };
}

/** Names of all rules that match, those against an outline first. */
export function matchingRules(asked: AskedQuestion): string[] {
  return [...AGAINST, ...FOR].filter((rule) => rule.hit(asked)).map(({ rule }) => rule);
}

/**
 * Matches a request that begins with one of `verbs` and names one of `things` within about ten
 * words.
 */
function asksFor(verbs: readonly string[], things: readonly string[]): RegExp {
  return new RegExp(
    `^(?:${verbs.join("|")})\\s(?:.{0,60}[^\\p{L}])?(?:${things.join("|")})(?![\\p{L}-])`,
    "iu",
  );
}

/** The question in the forms that the rules look at. */
export function readQuestion(question: string): AskedQuestion {
  const line = question.trim().replace(/[’]/g, "'").replace(/\s+/g, " ");
  let request = line;
  for (let i = 0; i < MOST_FILLERS; i++) {
    const shorter = request.replace(FILLER, "");
    if (shorter === "" || shorter === request) break; // a greeting without a request stays as it is
    request = shorter;
  }
  return {
    request,
    line,
    sentences: request.split(/[.?!]+(?:\s|$)/).filter((s) => s.trim() !== "").length,
  };
}
