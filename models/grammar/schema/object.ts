/**
 * Objects as grammars: the properties in the order of the schema, then those that it does not name.
 *
 * @module
 */
import { literal, repeat } from "../ebnf.ts";
import { grammarRefused, tooLarge, unsupported } from "../errors.ts";
import {
  acceptsText,
  ALL_TEXTS,
  type Automaton,
  both,
  except,
  IN_JSON,
  isEmpty,
  textsAutomaton,
  writeAutomaton,
} from "../regex/mod.ts";
import type { ObjectBranch, SchemaNode } from "./branch.ts";
import type { Schemas } from "./schemas.ts";
import { blank, enclosed, gap, type Writing } from "./writing.ts";

/** Most patterns of properties: names may match any selection of them. */
const MOST_PATTERNS = 5;

/** Most rules that count the properties of an object. */
const MOST_COUNTS = 5000;

/** A named property. */
interface Property {
  rule: string;
  required: boolean;
}

/** A rule for the branch's objects; there is one. */
export function writeObject(branch: ObjectBranch, writer: Writing): string {
  const { rules } = writer;
  const properties = namedOf(branch, writer);
  const others = othersOf(branch, writer, properties.length);
  const other = others.length === 0 ? undefined : rules.of(others.join(" | "));
  const { least, most } = branch;
  const needed = properties.filter(({ required }) => required).length;
  const reachable = properties.length + (other === undefined ? 0 : 1);
  if (least > reachable) {
    if (other === undefined) {
      throw grammarRefused("schema", `${branch.path}: nothing has so many properties`);
    }
    throw unsupported(
      "minProperties",
      branch.path,
      "names that the schema does not list might repeat; list them or lower it",
    );
  }
  const counts = least > needed || most < properties.length ||
    most < Infinity && other !== undefined;
  // States beyond this count behave alike.
  const top = counts ? most < Infinity ? most : Math.max(least, 1) : 1;
  if ((properties.length + 1) * (top + 1) > MOST_COUNTS) {
    throw tooLarge("counts of properties", (properties.length + 1) * (top + 1), MOST_COUNTS);
  }
  const comma = `"," ${blank(rules)}`;
  const known = new Map<string, string | undefined>();
  /** What may follow `count` properties before property `i`; undefined: nothing that is valid. */
  const rest = (i: number, count: number): string | undefined => {
    const key = `${i} ${count}`;
    if (!known.has(key)) known.set(key, write(i, count));
    return known.get(key);
  };
  const write = (i: number, count: number): string | undefined => {
    const before = count > 0 ? `${comma} ` : "";
    const next = Math.min(count + 1, top);
    const full = counts && count >= most;
    const options: string[] = [];
    if (i === properties.length) {
      if (!counts || count >= least) options.push(`""`);
      if (other !== undefined && !full) {
        const enough = !counts || next >= least;
        const more = counts && most < Infinity ? most - count - 1 : Infinity;
        const again = more === 0 ? "" : ` ${repeat(rules.of(`${comma} ${other}`), 0, more)}`;
        if (enough) options.push(`${before}${other}${again}`);
      }
    } else {
      const { rule, required } = properties[i];
      if (!full) {
        const after = rest(i + 1, next);
        if (after !== undefined) options.push(`${before}${rule} ${after}`);
      }
      if (!required) {
        const skipped = rest(i + 1, count);
        if (skipped !== undefined) options.push(skipped);
      }
    }
    return options.length === 0 ? undefined : rules.of(options.join(" | "));
  };
  const inside = rest(0, 0);
  if (inside === undefined) {
    throw grammarRefused("schema", `${branch.path}: no object is valid by it`);
  }
  return rules.of(enclosed(rules, "{}", inside));
}

/** The properties that the schema names, in its order; those that nothing may be are left out. */
function namedOf(branch: ObjectBranch, writer: Writing): Property[] {
  const { rules, schemas } = writer;
  return namesOf(branch).flatMap((name): Property[] => {
    const node = schemas.propertyNode(branch, name);
    if (!schemas.allows(branch.names, name) || !schemas.inhabitedNode(node)) return [];
    const rule = rules.of(
      `${literal(`${JSON.stringify(name)}:`)} ${gap(rules)} ${writer.node(node)}`,
    );
    return [{ rule, required: branch.required.has(name) }];
  });
}

function namesOf({ layers, required }: ObjectBranch): string[] {
  return [...new Set([...layers.flatMap(({ properties }) => [...properties.keys()]), ...required])];
}

/** Alternatives for a property that the schema does not name; it names `count`. */
function othersOf(branch: ObjectBranch, writer: Writing, count: number): string[] {
  const { rules, schemas } = writer;
  const patterns = new Map<string, Automaton>();
  for (const { source, automaton } of branch.layers.flatMap((layer) => layer.patterns)) {
    if (!patterns.has(source)) patterns.set(source, automaton());
  }
  if (patterns.size > MOST_PATTERNS) {
    throw tooLarge("patterns of properties", patterns.size, MOST_PATTERNS);
  }
  // Each selection of patterns has the names that match these and no others.
  let selections: { matched: Set<string>; names: Automaton | undefined }[] = [
    { matched: new Set(), names: undefined },
  ];
  for (const [source, automaton] of patterns) {
    selections = selections.flatMap(({ matched, names }) => [
      { matched, names: except(names ?? ALL_TEXTS, automaton) },
      { matched: new Set([...matched, source]), names: both(names ?? ALL_TEXTS, automaton) },
    ]).filter(({ names }) => !isEmpty(names));
  }
  const named = namesOf(branch);
  const allowed = keysOf(branch.names, schemas);
  return selections.flatMap(({ matched, names }) => {
    const node = otherNode(branch, matched);
    if (!schemas.inhabitedNode(node)) return [];
    const limited = allowed === undefined ? names : both(names ?? ALL_TEXTS, allowed);
    const hit = named.filter((name) => limited === undefined || acceptsText(limited, name));
    const texts = except(limited ?? ALL_TEXTS, textsAutomaton(hit));
    if (isEmpty(texts)) return [];
    if (node.length === 0 && count > 0 && branch.least <= count) {
      if (writer.closed) return [];
      writer.nameStates += texts.length;
    }
    const key = writeAutomaton(texts, IN_JSON, rules);
    return [`"\\"" ${key} ":" ${gap(rules)} ${writer.node(node)}`];
  });
}

/** What a property must be whose name is not listed and matches these patterns. */
function otherNode({ layers }: ObjectBranch, matched: ReadonlySet<string>): SchemaNode {
  return layers.flatMap(({ patterns, additional }) => {
    const matching = patterns.filter(({ source }) => matched.has(source));
    return matching.length === 0 ? additional : matching.flatMap(({ node }) => node);
  });
}

/** The names that schemas of names allow; undefined: any. */
function keysOf(names: SchemaNode, schemas: Schemas): Automaton | undefined {
  if (names.length === 0) return undefined;
  return schemas.expand(names).reduce<Automaton>((all, branch) => {
    if (branch.type === "literal" && typeof branch.value === "string") {
      return either(all, textsAutomaton([branch.value]));
    }
    return branch.type === "string" ? either(all, schemas.textsOf(branch)) : all;
  }, []);
}

const either = (a: Automaton, b: Automaton): Automaton =>
  except(ALL_TEXTS, both(except(ALL_TEXTS, a), except(ALL_TEXTS, b)));
