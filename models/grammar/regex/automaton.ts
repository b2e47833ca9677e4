/**
 * Finite automata over characters: what texts a pattern matches, and what several sets of texts have
 * in common.
 *
 * @module
 */
import { ANY, rangesOf } from "../chars.ts";
import { tooLarge } from "../errors.ts";
import type { Regex } from "./syntax.ts";

/** Characters from `from` to `to` lead to state `target`. */
export interface Edge {
  from: number;
  to: number;
  target: number;
}

/** A state: whether a text may end there, and where each character leads; others lead nowhere. */
export interface State {
  accepts: boolean;
  edges: Edge[];
}

/** A deterministic automaton that begins in state 0. Each state lies on a way to an accepting one. */
export type Automaton = readonly State[];

/** Most states of an automaton. */
const MOST_STATES = 3000;

/** Most steps of a nondeterministic automaton. */
const MOST_STEPS = 20_000;

/** Every text. */
export const ALL_TEXTS: Automaton = [{
  accepts: true,
  edges: rangesOf(ANY).map(([from, to]) => ({ from, to, target: 0 })),
}];

/** A state while the automaton is not yet deterministic. */
interface NfaStep {
  edges: Edge[];
  /** Steps that are reached without a character, each where its condition holds. */
  free: { target: number; at?: "begin" | "end" }[];
}

/**
 * The texts that a pattern matches: anywhere in them, as JSON schema's `pattern`, or as a whole.
 * Throws OrreryError `model/grammar_too_large`.
 */
export function automatonOf(regex: Regex, where: "anywhere" | "whole"): Automaton {
  const steps: NfaStep[] = [];
  const add = (): number => {
    if (steps.length >= MOST_STEPS) {
      throw tooLarge("steps of a pattern", steps.length + 1, MOST_STEPS);
    }
    return steps.push({ edges: [], free: [] }) - 1;
  };
  const build = (part: Regex, begin: number): number => {
    if (part.type === "sequence") return part.parts.reduce((at, each) => build(each, at), begin);
    if (part.type === "repeat") {
      let at = begin;
      for (let i = 0; i < part.least; i++) at = build(part.of, at);
      const end = add();
      steps[at].free.push({ target: end });
      if (part.most === Infinity) {
        const again = add();
        steps[at].free.push({ target: again });
        const back = build(part.of, again);
        steps[back].free.push({ target: again }, { target: end });
      } else {
        for (let i = part.least; i < part.most; i++) {
          at = build(part.of, at);
          steps[at].free.push({ target: end });
        }
      }
      return end;
    }
    const end = add();
    if (part.type === "choice") {
      for (const option of part.options) {
        const inside = add();
        steps[begin].free.push({ target: inside });
        steps[build(option, inside)].free.push({ target: end });
      }
    } else if (part.type === "anchor") steps[begin].free.push({ target: end, at: part.at });
    else {for (const [from, to] of rangesOf(part.set)) {
        steps[begin].edges.push({ from, to, target: end });
      }}
    return end;
  };
  const loop = (at: number) => {
    for (const [from, to] of rangesOf(ANY)) steps[at].edges.push({ from, to, target: at });
  };
  const start = add();
  if (where === "anywhere") loop(start);
  const begin = add();
  steps[start].free.push({ target: begin });
  const end = build(regex, begin);
  const last = add();
  steps[end].free.push({ target: last });
  if (where === "anywhere") loop(last);
  return determined(steps, start, last);
}

/** The automaton of these steps. */
function determined(steps: readonly NfaStep[], start: number, last: number): Automaton {
  const closure = (from: readonly number[], ...conditions: string[]): number[] => {
    const seen = new Set(from);
    const open = [...from];
    while (open.length > 0) {
      for (const { target, at } of steps[open.pop()!].free) {
        if (seen.has(target) || at !== undefined && !conditions.includes(at)) continue;
        seen.add(target);
        open.push(target);
      }
    }
    return [...seen].sort((a, b) => a - b);
  };
  const states: State[] = [];
  const known = new Map<string, number>();
  const members: number[][] = [];
  const stateOf = (inside: number[], accepts: boolean): number => {
    const key = `${accepts} ${inside.join()}`;
    let id = known.get(key);
    if (id === undefined) {
      if (states.length >= MOST_STATES) {
        throw tooLarge("states of a pattern", states.length + 1, MOST_STATES);
      }
      id = states.push({ accepts, edges: [] }) - 1;
      members.push(inside);
      known.set(key, id);
    }
    return id;
  };
  const ends = (inside: readonly number[], ...conditions: string[]) =>
    closure(inside, ...conditions).includes(last);
  const first = closure([start], "begin");
  stateOf(first, ends([start], "begin", "end"));
  for (let id = 0; id < states.length; id++) {
    const edges = members[id].flatMap((step) => steps[step].edges);
    for (const { from, to, targets } of pieces(edges)) {
      const inside = closure(targets);
      states[id].edges.push({ from, to, target: stateOf(inside, ends(inside, "end")) });
    }
  }
  return minimal(states);
}

/** Cuts overlapping edges into ranges that do not overlap, each with all its targets. */
function pieces(edges: readonly Edge[]): { from: number; to: number; targets: number[] }[] {
  const cuts = [...new Set(edges.flatMap(({ from, to }) => [from, to + 1]))].sort((a, b) => a - b);
  const index = new Map(cuts.map((cut, i) => [cut, i]));
  const targets: Set<number>[] = cuts.map(() => new Set());
  for (const { from, to, target } of edges) {
    for (let i = index.get(from)!; i < index.get(to + 1)!; i++) targets[i].add(target);
  }
  return cuts.slice(0, -1).flatMap((from, i) =>
    targets[i].size === 0 ? [] : [{ from, to: cuts[i + 1] - 1, targets: [...targets[i]] }]
  );
}

/**
 * The texts that `accepts` wants of those that two automata accept; texts that neither accepts are
 * never wanted. Throws OrreryError `model/grammar_too_large`.
 */
export function combine(
  a: Automaton,
  b: Automaton,
  accepts: (inA: boolean, inB: boolean) => boolean,
): Automaton {
  const dead = -1;
  const states: State[] = [];
  const known = new Map<string, number>();
  const pairs: [number, number][] = [];
  const stateOf = (x: number, y: number): number => {
    const key = `${x},${y}`;
    let id = known.get(key);
    if (id === undefined) {
      if (states.length >= MOST_STATES) {
        throw tooLarge("states of patterns", states.length + 1, MOST_STATES);
      }
      id = states.push({
        accepts: accepts(a[x]?.accepts ?? false, b[y]?.accepts ?? false),
        edges: [],
      }) - 1;
      pairs.push([x, y]);
      known.set(key, id);
    }
    return id;
  };
  stateOf(a.length > 0 ? 0 : dead, b.length > 0 ? 0 : dead);
  for (let id = 0; id < states.length; id++) {
    const [x, y] = pairs[id];
    const edges = [
      ...(a[x]?.edges ?? []).map((edge) => ({ ...edge, target: edge.target * 2 })),
      ...(b[y]?.edges ?? []).map((edge) => ({ ...edge, target: edge.target * 2 + 1 })),
    ];
    for (const { from, to, targets } of pieces(edges)) {
      const inA = targets.find((target) => target % 2 === 0);
      const inB = targets.find((target) => target % 2 === 1);
      const target = stateOf(
        inA === undefined ? dead : inA / 2,
        inB === undefined ? dead : (inB - 1) / 2,
      );
      states[id].edges.push({ from, to, target });
    }
  }
  return minimal(states);
}

/** Texts in both. */
export const both = (a: Automaton, b: Automaton): Automaton => combine(a, b, (x, y) => x && y);

/** Texts in `a` and not in `b`. */
export const except = (a: Automaton, b: Automaton): Automaton => combine(a, b, (x, y) => x && !y);

/** Does the automaton accept no text? */
export const isEmpty = (a: Automaton): boolean => a.length === 0;

/** Texts of `least` to `most` characters. Throws OrreryError `model/grammar_too_large`. */
export function ofLength(least: number, most: number): Automaton {
  const last = most === Infinity ? least : most;
  if (last >= MOST_STATES) throw tooLarge("states of a length", last + 1, MOST_STATES);
  return Array.from({ length: last + 1 }, (_, length): State => {
    const target = length < last ? length + 1 : length;
    const edges = length < last || most === Infinity
      ? rangesOf(ANY).map(([from, to]) => ({ from, to, target }))
      : [];
    return { accepts: length >= least, edges };
  });
}

/** These texts. */
export function textsAutomaton(texts: readonly string[]): Automaton {
  const states: State[] = [{ accepts: false, edges: [] }];
  for (const text of texts) {
    let at = 0;
    for (const char of text) {
      const code = char.codePointAt(0)!;
      let edge = states[at].edges.find(({ from }) => from === code);
      if (!edge) {
        edge = { from: code, to: code, target: states.push({ accepts: false, edges: [] }) - 1 };
        states[at].edges.push(edge);
      }
      at = edge.target;
    }
    states[at].accepts = true;
  }
  return minimal(states);
}

/** Does the automaton accept this text? */
export function acceptsText(automaton: Automaton, text: string): boolean {
  let at = automaton.length > 0 ? 0 : -1;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    at = automaton[at]?.edges.find(({ from, to }) => code >= from && code <= to)?.target ?? -1;
  }
  return automaton[at]?.accepts ?? false;
}

/** The smallest automaton for the same texts; none where there are no texts. */
function minimal(states: readonly State[]): Automaton {
  const alive = aliveOf(states);
  if (!alive.has(0)) return [];
  const ids = states.map((_, id) => id).filter((id) => alive.has(id));
  const edges = states.map((state) =>
    joined(state.edges.filter(({ target }) => alive.has(target)))
  );
  // Equal states have texts of equal lengths: that tells the states of a long repetition apart at
  // once, which else takes a round for each.
  const longest = longestOf(edges, ids);
  const numbered = (keyOf: (id: number) => string): Int32Array => {
    const numbers = new Map<string, number>();
    const groups = new Int32Array(states.length);
    for (const id of ids) {
      const key = keyOf(id);
      if (!numbers.has(key)) numbers.set(key, numbers.size);
      groups[id] = numbers.get(key)!;
    }
    count = numbers.size;
    return groups;
  };
  let count = 0;
  let group = numbered((id) => `${states[id].accepts} ${longest[id]}`);
  for (let before = -1; before !== count;) {
    before = count;
    const known = group;
    group = numbered((id) => {
      let key = String(known[id]);
      let [end, last] = [-1, -1]; // neighbours with the same group are one
      for (const { from, to, target } of edges[id]) {
        if (from !== end + 1 || known[target] !== last) key += ` ${end} ${from}:${known[target]}`;
        [end, last] = [to, known[target]];
      }
      return `${key} ${end}`;
    });
  }
  // The group of the first state is the first, since ids are in order.
  const made: State[] = [];
  for (const id of ids) {
    made[group[id]] ??= {
      accepts: states[id].accepts,
      edges: joined(edges[id].map((edge) => ({ ...edge, target: group[edge.target] }))),
    };
  }
  return made;
}

/** Characters of the longest text from each state to an end; Infinity: there is none. */
function longestOf(edges: readonly Edge[][], ids: readonly number[]): number[] {
  const longest: number[] = Array(edges.length).fill(Infinity);
  const before: number[][] = edges.map(() => []);
  const open = edges.map(() => 0);
  for (const id of ids) {
    for (const target of new Set(edges[id].map((edge) => edge.target))) {
      before[target].push(id);
      open[id]++;
    }
  }
  const ready = ids.filter((id) => open[id] === 0);
  for (const id of ready) longest[id] = 0;
  while (ready.length > 0) {
    const done = ready.pop()!;
    for (const id of before[done]) {
      const length = longest[done] + 1;
      longest[id] = longest[id] === Infinity ? length : Math.max(longest[id], length);
      if (--open[id] === 0) ready.push(id);
    }
  }
  return longest.map((length, id) => open[id] === 0 ? length : Infinity);
}

/** Edges in order, neighbours with the same target as one. */
function joined(edges: Edge[]): Edge[] {
  const result: Edge[] = [];
  for (const edge of edges.sort((a, b) => a.from - b.from)) {
    const last = result.at(-1);
    if (last && last.to === edge.from - 1 && last.target === edge.target) last.to = edge.to;
    else result.push({ ...edge });
  }
  return result;
}

/** States from which a text can end. */
function aliveOf(states: readonly State[]): Set<number> {
  const before: number[][] = states.map(() => []);
  states.forEach(({ edges }, id) => edges.forEach(({ target }) => before[target].push(id)));
  const open = states.map((_, id) => id).filter((id) => states[id].accepts);
  const alive = new Set(open);
  while (open.length > 0) {
    for (const id of before[open.pop()!]) {
      if (alive.has(id)) continue;
      alive.add(id);
      open.push(id);
    }
  }
  return alive;
}
