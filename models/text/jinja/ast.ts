/**
 * The syntax tree of a template, as `@huggingface/jinja` parses it.
 *
 * @module
 */
import { parse, tokenize } from "@huggingface/jinja";

interface Identifier {
  type: "Identifier";
  value: string;
}

/** A parameter with a default, or an argument by name. */
export interface KeywordArgument {
  type: "KeywordArgumentExpression";
  key: Identifier;
  value: Expression;
}

/** A parameter of a macro. */
export type Parameter = Identifier | KeywordArgument;

interface CallNode {
  type: "CallExpression";
  callee: Expression;
  args: Expression[];
}

/** What gives a value. */
export type Expression =
  | Identifier
  | KeywordArgument
  | CallNode
  | { type: "StringLiteral"; value: string }
  | { type: "IntegerLiteral" | "FloatLiteral"; value: number }
  | { type: "ArrayLiteral" | "TupleLiteral"; value: Expression[] }
  | { type: "ObjectLiteral"; value: Map<Expression, Expression> }
  | { type: "MemberExpression"; object: Expression; property: Expression; computed: boolean }
  | { type: "SliceExpression"; start?: Expression; stop?: Expression; step?: Expression }
  | {
    type: "BinaryExpression";
    operator: { value: string };
    left: Expression;
    right: Expression;
  }
  | { type: "UnaryExpression"; operator: { value: string }; argument: Expression }
  | { type: "FilterExpression"; operand: Expression; filter: Identifier | CallNode }
  | { type: "TestExpression"; operand: Expression; negate: boolean; test: Identifier }
  | { type: "SelectExpression"; lhs: Expression; test: Expression }
  | { type: "Ternary"; condition: Expression; trueExpr: Expression; falseExpr: Expression }
  | { type: "SpreadExpression" | "KeywordSpreadExpression"; argument: Expression };

/** What stands in a template's body; an expression prints its value. */
export type Statement =
  | Expression
  | { type: "If"; test: Expression; body: Statement[]; alternate: Statement[] }
  | {
    type: "For";
    loopvar: Expression;
    iterable: Expression;
    body: Statement[];
    defaultBlock: Statement[];
  }
  | { type: "Set"; assignee: Expression; value: Expression | null; body: Statement[] }
  | { type: "Macro"; name: Identifier; args: Parameter[]; body: Statement[] }
  | { type: "CallStatement"; call: CallNode; callerArgs: Parameter[] | null; body: Statement[] }
  | { type: "FilterStatement"; filter: Identifier | CallNode; body: Statement[] }
  | { type: "Break" | "Continue" | "Comment" };

/** A parsed template. */
export interface Template {
  /** What it prints and does, in order. */
  body: Statement[];
}

/** `{% generation %}` marks what an assistant said, for training: it prints its body. */
const GENERATION = /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g;

/** Parses a template as transformers configures Jinja. Throws SyntaxError, or Error. */
export function parseTemplate(source: string): Template {
  const plain = source.replace(
    GENERATION,
    (_, open, end, close) => `{%${open} ${end ? "endif" : "if true"} ${close}%}`,
  );
  const tokens = tokenize(plain, { lstrip_blocks: true, trim_blocks: true });
  return parse(tokens) as unknown as Template;
}
