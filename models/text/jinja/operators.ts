/**
 * Python's operators, as far as Jinja has them.
 *
 * @module
 */
import { concat, isText, marksOf, rawText, SafeText, type Text } from "./marked_text.ts";
import { toText } from "./python_text.ts";
import { escapeHtml } from "./strings.ts";
import {
  compare,
  Dict,
  Float,
  isEqual,
  iterate,
  type JinjaValue,
  listOf,
  numberOf,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
} from "./values.ts";

/** `left operator right`. Throws {@linkcode TemplateError} as Python's TypeError. */
export function binary(operator: string, left: JinjaValue, right: JinjaValue): JinjaValue {
  switch (operator) {
    case "==":
      return isEqual(left, right);
    case "!=":
      return !isEqual(left, right);
    case "~":
      return concat([toText(left), toText(right)]);
    case "in":
      return isIn(left, right);
    case "not in":
      return !isIn(left, right);
  }
  for (const side of [left, right]) {
    if (side instanceof Undefined) throw new TemplateError(`'${side.what}' is undefined`);
  }
  switch (operator) {
    case "<":
      return compare(left, right, operator) < 0;
    case "<=":
      return compare(left, right, operator) <= 0;
    case ">":
      return compare(left, right, operator) > 0;
    case ">=":
      return compare(left, right, operator) >= 0;
    default:
      return arithmetic(operator, left, right);
  }
}

/** `left in right`. */
export function isIn(left: JinjaValue, right: JinjaValue): boolean {
  if (right instanceof Dict) return right.get(left) !== undefined;
  if (isText(right)) {
    if (!isText(left)) {
      throw new TemplateError(
        `'in <string>' requires string as left operand, not ${typeName(left)}`,
      );
    }
    return rawText(right).includes(rawText(left));
  }
  return iterate(right).some((value) => isEqual(value, left));
}

function arithmetic(operator: string, left: JinjaValue, right: JinjaValue): JinjaValue {
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined) {
    const float = left instanceof Float || right instanceof Float || operator === "/" ||
      (operator === "**" && b < 0);
    const result = calculate(operator, a, b);
    if (result !== undefined) return float ? new Float(result) : result;
  }
  if (operator === "+") {
    if (isText(left) && isText(right)) return addTexts(left, right);
    const [x, y] = [listOf(left), listOf(right)];
    if (x && y && typeName(left) === typeName(right)) {
      return left instanceof Tuple ? new Tuple([...x, ...y]) : [...x, ...y];
    }
    if (isText(left)) {
      throw new TemplateError(`can only concatenate str (not "${typeName(right)}") to str`);
    }
  }
  if (operator === "*") {
    if (isText(left) && b !== undefined) return repeat(left, b);
    if (isText(right) && a !== undefined) return repeat(right, a);
    if (Array.isArray(left) && b !== undefined) {
      return Array.from({ length: Math.max(0, b) }, () => left).flat();
    }
  }
  if (operator === "%" && isText(left)) return printf(left, right);
  throw new TemplateError(
    `unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
  );
}

/** `left + right`; beside {@linkcode SafeText} the other text is escaped. */
function addTexts(left: Text, right: Text): Text {
  const safe = [left, right].map((text) => text instanceof SafeText);
  if (!safe.includes(true)) return concat([left, right]);
  const sum = concat([left, right].map((text, i) => safe[i] ? text : escapeHtml(text)));
  return new SafeText(rawText(sum), marksOf(sum));
}

const repeat = (text: Text, times: number) =>
  concat(["", ...Array.from({ length: Math.max(0, times) }, () => text)]);

function calculate(operator: string, a: number, b: number): number | undefined {
  if (["/", "//", "%"].includes(operator) && b === 0) throw new TemplateError("division by zero");
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%":
      return a - b * Math.floor(a / b);
    case "**":
      return a ** b;
  }
}

/** `"%s" % values`, with `%s`, `%d` and `%%`. */
function printf(format: Text, values: JinjaValue): Text {
  const given = values instanceof Tuple ? [...values.items] : [values];
  const parts = rawText(format).split(/(%.)/).map((part): Text => {
    if (part === "%%") return "%";
    if (part !== "%s" && part !== "%d") return part;
    const value = given.shift();
    if (value === undefined) throw new TemplateError("not enough arguments for format string");
    return toText(value);
  });
  return concat(parts);
}

/** `-value`, `+value` or `not value`'s arithmetic part. Throws {@linkcode TemplateError}. */
export function negate(sign: string, value: JinjaValue): JinjaValue {
  const number = numberOf(value);
  if (number === undefined) {
    throw new TemplateError(`bad operand type for unary ${sign}: '${typeName(value)}'`);
  }
  const result = sign === "-" ? -number : number;
  return value instanceof Float ? new Float(result) : result;
}
