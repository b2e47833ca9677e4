/**
 * The protocol of ownership as a small model, of which every interleaving is tried.
 *
 * Two or three nodes, one address with a number in it, one registry; time is a counter. What the
 * model has in common with the product: a claim compares the version of the owner's record, and
 * asks whether the owner's lease lives; a write compares that version, and lies under the epoch of
 * its activation; a node acts only while its own clock says that its lease is certain; a write of
 * unknown outcome ends its activation. Requests and replies are under way for any time, are lost,
 * or are given up and land late. A node may do nothing for any time, as a process that stands still
 * does. Each rule can be left out: then the search
 * must find a state that is wrong.
 *
 * @module
 */

/** How large the case is; each number bounds what happens in one history. */
export interface ModelSize {
  /** Nodes, 2 or 3. */
  nodes: number;
  /** Ticks of time; a lease lasts for two. */
  ticks: number;
  /** Adds that clients ask for. */
  adds: number;
  /** Activations of each node. */
  wakes: number;
  /** Claims of each node. */
  claims: number;
  /** Replies that are lost or given up. */
  losses: number;
}

/** Rules of the protocol, each of which can be left out. */
export interface ModelRules {
  /** A node asks its clock before it acts. */
  fence: boolean;
  /** Only the registry judges leases; else nodes compare dates, and one clock is far ahead. */
  oneJudge: boolean;
  /** A write of unknown outcome ends the activation; else it counts as landed. */
  rereads: boolean;
  /** Every activation has an epoch of its own. */
  wakeEpoch: boolean;
  /** A claim compares the version of the owner's record. */
  claimCompares: boolean;
  /** A write compares the version of the owner's record. */
  writeCompares: boolean;
}

/** The protocol as it is built. */
export const ALL_RULES: ModelRules = {
  fence: true,
  oneJudge: true,
  rereads: true,
  wakeEpoch: true,
  claimCompares: true,
  writeCompares: true,
};

/** What a search has found. */
export interface ModelResult {
  /** Different states that were reached. */
  states: number;
  /** Steps from one to another. */
  steps: number;
  /** A state that is wrong, and the steps that lead there. */
  wrong?: { what: string; trace: string[] };
}

const TTL = 2;
/** Epochs of activations under one claim. */
const WAKES = 16;

/** A request to the registry, or the reply to one. */
interface ModelMessage {
  node: number;
  /** Does its node still wait for the reply? */
  awaited: boolean;
  kind: "claim" | "adopt" | "add";
  /** Version of the owner's record that it expects. */
  version: number;
  /** Key and value of a write. */
  key: number;
  value: number;
  /** Greatest number that was told when the add began. */
  floor: number;
  /** Number of the claiming node's lease. */
  lease: number;
  /** The reply; undefined: it is on the way to the registry. */
  reply?: { ok: boolean; version: number; epoch: number };
}

interface ModelNode {
  /** Number of its lease, and until when it believes in it. */
  lease: number;
  until: number;
  /** Epoch and version of its claim; 0: none. */
  epoch: number;
  version: number;
  /** Its activation: 0 none, 1 begins, 2 handles messages. */
  active: 0 | 1 | 2;
  key: number;
  total: number;
  /** Does it wait for a reply? */
  waits: boolean;
  wakes: number;
  claims: number;
}

interface ModelState {
  now: number;
  /** What the registry holds. */
  version: number;
  owner: { node: number; lease: number; epoch: number };
  /** Until when the lease of each node lives. */
  lives: number[];
  /** What each epoch has written. */
  written: [key: number, value: number][];
  nodes: ModelNode[];
  messages: ModelMessage[];
  /** Numbers that were told after adds, and the greatest. */
  told: number[];
  most: number;
  adds: number;
  losses: number;
  wrong?: string;
}

/** Tries every history of a case. Stops at the first state that is wrong. */
export function searchModel(size: ModelSize, rules: ModelRules = ALL_RULES): ModelResult {
  const first = initial(size);
  const seen = new Set<number>([hashOf(first)]);
  /** Where each state came from, for the trace. */
  const from: { parent: number; step: string }[] = [{ parent: -1, step: "" }];
  let frontier: { state: ModelState; at: number }[] = [{ state: first, at: 0 }];
  let steps = 0;
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { state, at } of frontier) {
      for (const [step, after] of successors(state, size, rules)) {
        steps++;
        const wrong = after.wrong ?? wrongIn(after, rules);
        if (wrong) {
          const trace = [step];
          for (let i = at; i > 0; i = from[i].parent) trace.unshift(from[i].step);
          return { states: seen.size, steps, wrong: { what: wrong, trace } };
        }
        const hash = hashOf(after);
        if (seen.has(hash)) continue;
        seen.add(hash);
        from.push({ parent: at, step });
        next.push({ state: after, at: from.length - 1 });
      }
    }
    frontier = next;
  }
  return { states: seen.size, steps };
}

function initial({ nodes, ticks: _, ...size }: ModelSize): ModelState {
  return {
    now: 0,
    version: 0,
    owner: { node: -1, lease: 0, epoch: 0 },
    lives: Array(nodes).fill(0),
    written: [],
    nodes: Array.from({ length: nodes }, () => ({
      ...{ lease: 0, until: 0, epoch: 0, version: 0, active: 0 as const },
      ...{ key: 0, total: 0, waits: false, wakes: size.wakes, claims: size.claims },
    })),
    messages: [],
    ...{ told: [], most: 0, adds: size.adds, losses: size.losses },
  };
}

/** May the node act? */
const certain = (state: ModelState, n: number, rules: ModelRules): boolean =>
  state.nodes[n].epoch > 0 && (!rules.fence || state.now < state.nodes[n].until);

/** What must hold in every state: whoever could answer now is the owner, and has not forgotten. */
function wrongIn(state: ModelState, rules: ModelRules): string | undefined {
  for (const [n, node] of state.nodes.entries()) {
    if (node.active !== 2 || node.waits || !certain(state, n, rules)) continue;
    if (node.epoch !== state.owner.epoch || state.owner.node !== n) {
      return `node ${n} (epoch ${node.epoch}) is obeyed while epoch ${state.owner.epoch} is`;
    }
    if (node.total < state.most) return `read as ${node.total} after ${state.most}`;
  }
}

/** Every state that may follow. */
function successors(state: ModelState, size: ModelSize, rules: ModelRules) {
  const found: [step: string, state: ModelState][] = [];
  const step = (name: string, change: (state: ModelState) => void) => {
    const copy: ModelState = structuredCopy(state);
    change(copy);
    found.push([name, copy]);
  };
  if (state.now < size.ticks) step("time passes", (s) => void s.now++);
  for (let n = 0; n < state.nodes.length; n++) nodeSteps(state, n, rules, step);
  for (let i = 0; i < state.messages.length; i++) messageSteps(state, i, rules, step);
  return found;
}

type Step = (name: string, change: (state: ModelState) => void) => void;

function nodeSteps(state: ModelState, n: number, rules: ModelRules, step: Step): void {
  const node = state.nodes[n];
  const leased = state.now < node.until;
  if (!leased || state.now + TTL > node.until) {
    step(`node ${n} ${leased ? "renews its lease" : "takes a lease"}`, (s) => {
      const me = s.nodes[n];
      const lives = s.now < s.lives[n];
      if (leased && !lives) return; // it has lapsed: the clock will say so as well
      if (!leased) {
        me.lease++;
        if (rules.fence) end(s, n);
      }
      s.lives[n] = me.until = s.now + TTL;
    });
  }
  if (leased && node.claims > 0 && !node.waits && !node.epoch && mayClaim(state, n, rules)) {
    step(`node ${n} claims`, (s) => {
      s.nodes[n].claims--;
      send(s, n, { kind: "claim", version: s.version, lease: node.lease });
    });
  }
  if (!certain(state, n, rules)) return;
  if (node.active === 0 && !node.waits && node.wakes > 0) {
    step(`node ${n} wakes the actor`, (s) => {
      const me = s.nodes[n];
      me.wakes--;
      me.active = 1;
      me.key = me.epoch * WAKES + (rules.wakeEpoch ? WAKES - 1 - me.wakes : 0);
      me.total = newest(s);
      send(s, n, { kind: "adopt", version: me.version, key: me.key, value: me.total });
    });
  }
  if (node.active === 2 && !node.waits && state.adds > 0) {
    step(`node ${n} begins to add`, (s) => {
      s.adds--;
      const { version, key, total } = s.nodes[n];
      send(s, n, { kind: "add", version, key, value: total + 1, floor: s.most });
    });
  }
  if (node.active !== 0 && node.wakes > 0) {
    step(`node ${n} ends the activation`, (s) => {
      s.nodes[n].active = 0;
      abandon(s, n);
    });
  }
}

/** Has the owner of the record lost its lease, as far as this node can tell? */
function mayClaim({ owner, lives, nodes, now }: ModelState, n: number, rules: ModelRules): boolean {
  if (owner.node < 0 || owner.node === n) return true;
  if (!rules.oneJudge) return now + (n === 0 ? 0 : 2 * TTL) >= lives[owner.node];
  return now >= lives[owner.node] || nodes[owner.node].lease > owner.lease;
}

function messageSteps(state: ModelState, i: number, rules: ModelRules, step: Step): void {
  const { node: n, awaited, kind, reply } = state.messages[i];
  if (!reply) step(`the ${kind} of node ${n} lands`, (s) => land(s, i, rules));
  else step(`node ${n} hears of its ${kind}`, (s) => hear(s, i));
  if (awaited && state.losses > 0) {
    step(`node ${n} gives its ${kind} up`, (s) => {
      s.losses--;
      giveUp(s, i, rules);
    });
  }
}

/** A request comes to the registry. */
function land(s: ModelState, i: number, rules: ModelRules): void {
  const message = s.messages[i];
  const { node: n, kind, version, lease } = message;
  const claim = kind === "claim";
  const compares = claim ? rules.claimCompares : rules.writeCompares;
  let ok = !compares || version === s.version;
  if (claim) ok &&= s.now < s.lives[n] && s.nodes[n].lease === lease;
  if (ok && claim) {
    s.version++;
    s.owner = { node: n, lease, epoch: s.owner.epoch + 1 };
  } else if (ok) {
    const old = s.written.find(([key]) => key === message.key);
    if (old) old[1] = message.value;
    else s.written.push([message.key, message.value]);
    s.written.sort(([a], [b]) => a - b);
  }
  message.reply = { ok, version: s.version, epoch: s.owner.epoch };
  if (!message.awaited) s.messages.splice(i, 1);
}

/** A reply comes to its node. */
function hear(s: ModelState, i: number): void {
  const [{ node: n, kind, value, floor, lease, reply }] = s.messages.splice(i, 1);
  const me = s.nodes[n];
  me.waits = false;
  if (kind === "claim") {
    if (!reply!.ok || me.lease !== lease || s.now >= me.until) return;
    me.epoch = reply!.epoch;
    me.version = reply!.version;
    return;
  }
  if (!reply!.ok) return end(s, n);
  if (kind === "adopt") return void (me.active = 2);
  me.total = value;
  tell(s, value, floor);
}

/** A node waits no longer. */
function giveUp(s: ModelState, i: number, rules: ModelRules): void {
  const { node: n, kind, value, floor } = s.messages[i];
  const me = s.nodes[n];
  abandon(s, n);
  if (kind === "claim") return; // the next claim reads first
  if (rules.rereads || kind === "adopt") return void (me.active = 0);
  me.total = value;
  tell(s, value, floor);
}

/** A client is told what an add has made of the number. */
function tell(s: ModelState, value: number, floor: number): void {
  if (s.told.includes(value)) s.wrong = `two adds made it ${value}`;
  if (value <= floor) s.wrong = `an add made it ${value} after ${floor}`;
  s.told = [...s.told, value].sort((a, b) => a - b);
  s.most = Math.max(s.most, value);
}

function send(s: ModelState, node: number, message: Partial<ModelMessage>): void {
  s.nodes[node].waits = true;
  const blank = { kind: "claim" as const, version: 0, key: 0, value: 0, floor: 0, lease: 0 };
  s.messages.push({ ...blank, ...message, node, awaited: true });
}

/** The ownership of a node is over. */
function end(s: ModelState, n: number): void {
  const me = s.nodes[n];
  me.epoch = me.version = me.active = 0;
  abandon(s, n);
}

/** A node waits no longer: the reply is lost, and a request that is under way lands late. */
function abandon(s: ModelState, n: number): void {
  s.nodes[n].waits = false;
  for (const message of s.messages) if (message.node === n) message.awaited = false;
  s.messages = s.messages.filter(({ awaited, reply }) => awaited || !reply);
}

const newest = ({ written }: ModelState): number => written.at(-1)?.[1] ?? 0;

function structuredCopy(s: ModelState): ModelState {
  return {
    ...s,
    owner: { ...s.owner },
    lives: [...s.lives],
    written: s.written.map(([key, value]) => [key, value]),
    nodes: s.nodes.map((node) => ({ ...node })),
    messages: s.messages.map((message) => ({ ...message })),
    told: [...s.told],
  };
}

/**
 * 53 bits of a state. Two different states of a million have the same with a chance of 1 in
 * 18,000; then one of them would not be looked at.
 */
function hashOf(state: ModelState): number {
  // The order of messages means nothing: any of them may arrive next.
  const messages = state.messages.map((message) => JSON.stringify(message)).sort();
  const { now, version, owner, lives, written, nodes, told, adds, losses } = state;
  const text = [now, version, owner.node, owner.lease, owner.epoch, adds, losses].join() +
    [lives, written, told, messages].join("|") +
    nodes.map((node) => Object.values(node).join()).join("|");
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 2654435761);
    b = Math.imul(b ^ c, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return 4294967296 * (2097151 & b) + (a >>> 0);
}
