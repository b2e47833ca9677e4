/**
 * Runs a template as Jinja does in transformers.
 *
 * @module
 */
import { Arguments } from "./arguments.ts";
import type { Expression, Parameter, Statement, Template } from "./ast.ts";
import { applyFilter } from "./filters.ts";
import { concat, rawText, type Text } from "./marked_text.ts";
import { attribute, item, slice } from "./methods.ts";
import { binary, negate } from "./operators.ts";
import { toText } from "./python_text.ts";
import { Scope } from "./scope.ts";
import { holds } from "./tests.ts";
import {
  Callable,
  Dict,
  Float,
  isEqual,
  isTrue,
  iterate,
  type JinjaValue,
  type NamedArguments,
  Namespace,
  numberOf,
  TemplateError,
  Tuple,
  typeName,
  Undefined,
} from "./values.ts";

/** How a loop's body ended: by itself (undefined), or by a statement of that name. */
type LoopControl = "break" | "continue" | undefined;

/** What the template prints, with these names. Throws {@linkcode TemplateError}. */
export function runTemplate(template: Template, names: Iterable<[string, JinjaValue]>): Text {
  const scope = new Scope();
  for (const [name, value] of names) scope.set(name, value);
  const out: Text[] = [];
  run(template.body, scope, out);
  return concat(out.length === 0 ? [""] : out);
}

function run(body: readonly Statement[], scope: Scope, out: Text[]): LoopControl {
  for (const statement of body) {
    const control = runOne(statement, scope, out);
    if (control) return control;
  }
}

function runOne(statement: Statement, scope: Scope, out: Text[]): LoopControl {
  switch (statement.type) {
    case "Comment":
      return;
    case "Break":
      return "break";
    case "Continue":
      return "continue";
    case "If":
      return run(
        isTrue(valueOf(statement.test, scope)) ? statement.body : statement.alternate,
        scope,
        out,
      );
    case "For":
      return loop(statement, scope, out);
    case "Set": {
      const { assignee, value, body } = statement;
      assign(assignee, value ? valueOf(value, scope) : printed(body, scope), scope);
      return;
    }
    case "Macro":
      scope.set(statement.name.value, macro(statement.args, statement.body, scope));
      return;
    case "CallStatement": {
      const inner = new Scope(scope);
      inner.set("caller", macro(statement.callerArgs ?? [], statement.body, scope));
      const [args, named] = argumentsOf(statement.call.args, inner);
      named.set("caller", inner.get("caller"));
      out.push(toText(called(valueOf(statement.call.callee, inner)).call(args, named)));
      return;
    }
    case "FilterStatement":
      out.push(
        toText(filtered(printed(statement.body, new Scope(scope)), statement.filter, scope)),
      );
      return;
    default:
      out.push(toText(valueOf(statement, scope)));
  }
}

/** What a body prints. */
function printed(body: readonly Statement[], scope: Scope): Text {
  const out: Text[] = [];
  run(body, scope, out);
  return concat(out.length === 0 ? [""] : out);
}

function loop(node: Statement & { type: "For" }, scope: Scope, out: Text[]): LoopControl {
  const { iterable, loopvar } = node;
  const filter = iterable.type === "SelectExpression" ? iterable : undefined;
  const all = iterate(valueOf(filter?.lhs ?? iterable, scope));
  const items = all.filter((value) => {
    if (!filter) return true;
    const inner = new Scope(scope);
    assign(loopvar, value, inner);
    return isTrue(valueOf(filter.test, inner));
  });
  if (items.length === 0) return run(node.defaultBlock, new Scope(scope), out);
  const state = new Namespace();
  let last: JinjaValue | undefined;
  state.map.set("length", items.length);
  state.map.set("depth", 1);
  state.map.set("depth0", 0);
  state.map.set(
    "changed",
    new Callable((args) => {
      const now = new Tuple(args);
      const changed = last === undefined || !isEqual(last, now);
      last = now;
      return changed;
    }),
  );
  for (const [i, value] of items.entries()) {
    const inner = new Scope(scope);
    const set = (name: string, of: JinjaValue) => state.map.set(name, of);
    set("index", i + 1);
    set("index0", i);
    set("revindex", items.length - i);
    set("revindex0", items.length - i - 1);
    set("first", i === 0);
    set("last", i === items.length - 1);
    set("previtem", items[i - 1] ?? new Undefined("there is no previous item"));
    set("nextitem", items[i + 1] ?? new Undefined("there is no next item"));
    set("cycle", new Callable((args) => args[i % args.length] ?? null));
    inner.set("loop", state);
    assign(loopvar, value, inner);
    if (run(node.body, inner, out) === "break") break;
  }
}

function assign(target: Expression, value: JinjaValue, scope: Scope): void {
  switch (target.type) {
    case "Identifier":
      scope.set(target.value, value);
      return;
    case "TupleLiteral":
    case "ArrayLiteral": {
      const values = iterate(value);
      if (values.length !== target.value.length) {
        const few = values.length < target.value.length;
        throw new TemplateError(
          few
            ? `not enough values to unpack (expected ${target.value.length}, got ${values.length})`
            : `too many values to unpack (expected ${target.value.length})`,
        );
      }
      target.value.forEach((part, i) => assign(part, values[i], scope));
      return;
    }
    case "MemberExpression": {
      const object = valueOf(target.object, scope);
      if (!(object instanceof Namespace) || target.property.type !== "Identifier") {
        throw new TemplateError("cannot assign attribute on non-namespace object");
      }
      object.map.set(target.property.value, value);
      return;
    }
    default:
      throw new TemplateError(`cannot assign to ${target.type}`);
  }
}

function macro(
  parameters: readonly Parameter[],
  body: readonly Statement[],
  scope: Scope,
): Callable {
  return new Callable((args, named) => {
    const inner = new Scope(scope);
    const rest = new Map(named);
    for (const [i, parameter] of parameters.entries()) {
      const name = parameter.type === "Identifier" ? parameter.value : parameter.key.value;
      const given = args[i] ?? rest.get(name);
      rest.delete(name);
      inner.set(
        name,
        given ??
          (parameter.type === "Identifier"
            ? new Undefined(`parameter ${name} was not provided`)
            : valueOf(parameter.value, inner)),
      );
    }
    const caller = rest.get("caller");
    if (caller !== undefined) inner.set("caller", caller);
    rest.delete("caller");
    inner.set("varargs", new Tuple(args.slice(parameters.length)));
    const others = new Dict();
    for (const [name, value] of rest) others.set(name, value);
    inner.set("kwargs", others);
    return printed(body, inner);
  });
}

function argumentsOf(nodes: readonly Expression[], scope: Scope): [JinjaValue[], NamedArguments] {
  const args: JinjaValue[] = [];
  const named: NamedArguments = new Map();
  for (const node of nodes) {
    if (node.type === "KeywordArgumentExpression") {
      named.set(node.key.value, valueOf(node.value, scope));
    } else if (node.type === "SpreadExpression") {
      args.push(...iterate(valueOf(node.argument, scope)));
    } else if (node.type === "KeywordSpreadExpression") {
      const more = valueOf(node.argument, scope);
      if (!(more instanceof Dict)) throw new TemplateError("argument after ** must be a mapping");
      for (const [key, value] of more.items()) named.set(rawText(toText(key)), value);
    } else args.push(valueOf(node, scope));
  }
  return [args, named];
}

function called(value: JinjaValue): Callable {
  if (value instanceof Callable) return value;
  throw new TemplateError(
    value instanceof Undefined
      ? `'${value.what}' is undefined`
      : `'${typeName(value)}' object is not callable`,
  );
}

function filtered(
  value: JinjaValue,
  filter: (Expression & { type: "FilterExpression" })["filter"],
  scope: Scope,
): JinjaValue {
  if (filter.type === "Identifier") {
    return applyFilter(filter.value, value, new Arguments([], new Map()));
  }
  if (filter.callee.type !== "Identifier") throw new TemplateError("a filter needs a name");
  return applyFilter(filter.callee.value, value, new Arguments(...argumentsOf(filter.args, scope)));
}

/** The value of an expression. Throws {@linkcode TemplateError}. */
function valueOf(node: Expression, scope: Scope): JinjaValue {
  switch (node.type) {
    case "StringLiteral":
    case "IntegerLiteral":
      return node.value;
    case "FloatLiteral":
      return new Float(node.value);
    case "Identifier":
      return scope.get(node.value);
    case "ArrayLiteral":
      return node.value.map((part) => valueOf(part, scope));
    case "TupleLiteral":
      return new Tuple(node.value.map((part) => valueOf(part, scope)));
    case "ObjectLiteral": {
      const dict = new Dict();
      for (const [key, value] of node.value) dict.set(valueOf(key, scope), valueOf(value, scope));
      return dict;
    }
    case "MemberExpression":
      return member(node, scope);
    case "CallExpression": {
      const fn = called(valueOf(node.callee, scope));
      return fn.call(...argumentsOf(node.args, scope));
    }
    case "BinaryExpression": {
      const { operator: { value: operator }, left, right } = node;
      const first = valueOf(left, scope);
      if (operator === "and") return isTrue(first) ? valueOf(right, scope) : first;
      if (operator === "or") return isTrue(first) ? first : valueOf(right, scope);
      return binary(operator, first, valueOf(right, scope));
    }
    case "UnaryExpression": {
      const value = valueOf(node.argument, scope);
      return node.operator.value === "not" ? !isTrue(value) : negate(node.operator.value, value);
    }
    case "FilterExpression":
      return filtered(valueOf(node.operand, scope), node.filter, scope);
    case "TestExpression":
      return holds(node.test.value, valueOf(node.operand, scope)) !== node.negate;
    case "SelectExpression":
      return isTrue(valueOf(node.test, scope))
        ? valueOf(node.lhs, scope)
        : new Undefined("the inline if-expression evaluated to false and no else was given");
    case "Ternary":
      return valueOf(
        isTrue(valueOf(node.condition, scope)) ? node.trueExpr : node.falseExpr,
        scope,
      );
    default:
      throw new TemplateError(`${node.type} stands where a value is wanted`);
  }
}

function member(node: Expression & { type: "MemberExpression" }, scope: Scope): JinjaValue {
  const { property, computed } = node;
  const object = valueOf(node.object, scope);
  if (!computed) {
    return property.type === "Identifier"
      ? attribute(object, property.value)
      : item(object, valueOf(property, scope));
  }
  if (property.type !== "SliceExpression") return item(object, valueOf(property, scope));
  const bound = (part?: Expression) => {
    const value = part && valueOf(part, scope);
    return value === undefined || value === null ? undefined : numberOf(value);
  };
  return slice(object, [bound(property.start), bound(property.stop), bound(property.step)]);
}
