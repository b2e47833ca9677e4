/**
 * Several nodes with journals over one registry in virtual time, and clients that come back to
 * another node when theirs does not answer: the production's journals and actor system, under faults
 * that a seed draws. Answers are made up, a token at a time, as a function of seed and position.
 *
 * Checked while it runs: no token is lost or doubled for any client; what a client is told is in the
 * copy that the teller's holder has; no two nodes tell different records of one request. At the end
 * every request has ended once, and a quarter of an hour later no node keeps anything of any.
 *
 * @module
 */
import {
  type AppendedMessage,
  type AppendMessage,
  hasCode,
  LocalNetwork,
  MAX_CLOCK_DRIFT,
  type OpenRequest,
  type Registry,
  seededRandom,
} from "../../../actors/mod.ts";
import { SimulatedProcess } from "../ownership/process.ts";
import { type Steps, VirtualTime } from "../ownership/virtual_time.ts";
import { SimulatedRegistry, SimulatedServer } from "../simulated_registry.ts";
import { expectedTokens, JournalNode, tokensOf } from "./node.ts";

/** Virtual milliseconds in which faults happen. */
const FAULTS_MS = 40_000;
/** Virtual milliseconds in which all requests must have ended after that. */
const SETTLE_MS = 240_000;
/** Virtual milliseconds between two faults: a copy that was lost is made again in that time. */
const BETWEEN_MS = 9_000;
/** Virtual milliseconds between two looks at who reaches whom, and where nothing is asked any more. */
const LOOK_MS = 150;
const RESTING_LOOK_MS = 5_000;
/** Virtual milliseconds after which nodes of which nothing is asked keep nothing. */
const REST_MS = 900_000;

/** Sends an append, as the production does. */
export type SendAppend = (holder: string, message: AppendMessage) => Promise<AppendedMessage>;

/** Parts of the product that a test replaces, to see that the checks notice. */
export interface JournalVariant {
  /** How a node has its records kept. */
  append?: (send: SendAppend) => SendAppend;
  /** The registry as a node uses it. */
  registry?: (registry: Registry) => Registry;
  /** What a node answers to an append of another. */
  answer?: (answer: AppendedMessage) => AppendedMessage;
}

/** What one run has shown. */
export interface JournalReport {
  seed: number;
  /** What was wrong; empty: nothing. */
  problems: string[];
  /** Requests that ended, and how often their clients came back. */
  ended: number;
  returns: number;
  /** Faults by kind. */
  faults: string[];
  steps: number;
}

/** See the module's text. */
export class JournalWorld implements Steps {
  readonly time: VirtualTime = new VirtualTime();
  readonly random: () => number;
  readonly variant: JournalVariant;
  readonly network: LocalNetwork;
  readonly server: SimulatedServer;
  readonly nodes: JournalNode[] = [];
  readonly problems: string[] = [];
  readonly faults: string[] = [];
  /** Does the registry answer? */
  registryUp = true;
  ended = 0;
  returns = 0;
  readonly #seed: number;
  readonly #processes = new Map<string, SimulatedProcess>();
  /** Pairs of nodes that do not reach each other. */
  readonly #cuts = new Set<string>();
  /** By pair: since when one has not reached the other, and when it gives it up. */
  readonly #silent = new Map<string, { until: number }>();
  /** Records that anybody was told, by request and number. */
  readonly #told = new Map<string, string>();
  readonly #clients: number;
  #lives = 0;
  #over = false;
  /** When nodes must keep nothing any more; undefined: requests have not ended. */
  #emptyAt?: number;

  constructor(seed: number, variant: JournalVariant = {}) {
    this.#seed = seed;
    this.variant = variant;
    this.random = seededRandom(seed);
    this.server = new SimulatedServer(this.#process().clock);
    this.network = new LocalNetwork({
      clock: { after: (ms, fn) => this.time.after(ms, fn) },
      deliver: (step, { to }) =>
        void this.time.after(this.between(0.2, 3), () => this.#processes.get(to)?.run(step)),
    });
    const places = 3 + Math.floor(2 * this.random());
    for (let place = 0; place < places; place++) this.begin(place);
    this.#clients = 5 + Math.floor(4 * this.random());
    for (let i = 0; i < this.#clients; i++) {
      this.time.after(this.between(0, 0.7 * FAULTS_MS), () => void this.#client(i));
    }
    for (let at = this.between(500, 4_000); at < FAULTS_MS; at += this.between(1, 2) * BETWEEN_MS) {
      this.time.after(at, () => this.#fault());
    }
    this.#look();
  }

  between(min: number, max: number): number {
    return min + (max - min) * this.random();
  }

  /** Resolves after so many virtual milliseconds. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.time.after(ms, resolve));
  }

  fail(what: string): void {
    this.problems.push(`at ${Math.round(this.time.now)} ms: ${what}`);
  }

  /** A node begins its life at this place. */
  begin(place: number): void {
    const name = `n${place}-${++this.#lives}`;
    const process = this.#process();
    this.#processes.set(name, process);
    const node = new JournalNode(this, name, process);
    this.nodes[place] = node;
    for (const other of this.nodes) {
      if (other && other !== node && other.process.alive) node.view.add(other.name);
    }
    node.journal.members();
  }

  /** The line between a process and the registry. */
  lineOf(process: SimulatedProcess, node: { cut: boolean }): SimulatedRegistry {
    const lost = () => node.cut || !this.registryUp || this.random() < 0.02;
    return new SimulatedRegistry(this.server, {
      request: (arrive) => {
        const late = this.random() < 0.02;
        if (!late && lost()) return;
        const ms = late ? this.between(0, 4_000) : this.between(0.2, 3);
        this.time.after(ms, () => this.registryUp && arrive());
      },
      reply: (arrive) => {
        if (lost()) return;
        this.time.after(this.between(0.2, 3), () => process.run(arrive));
      },
    }, process.clock);
  }

  step(): boolean {
    if (this.#over) return false;
    if (this.problems.length > 0) return this.#end();
    const done = this.ended === this.#clients && this.time.now > FAULTS_MS;
    if (done) this.#emptyAt ??= this.time.now + REST_MS;
    if (this.time.step(this.#emptyAt ?? FAULTS_MS + SETTLE_MS)) return true;
    if (done) this.#checkEmpty();
    else this.fail(`${this.#clients - this.ended} of ${this.#clients} requests have not ended`);
    return this.#end();
  }

  #checkEmpty(): void {
    for (const { name, journal: { facts } } of this.nodes) {
      const { own, heldBytes } = facts;
      if (own === 0 && heldBytes === 0) continue;
      this.fail(`${name} still keeps ${own} requests, and ${heldBytes} bytes of others' requests`);
    }
  }

  report(): JournalReport {
    const { problems, ended, returns, faults } = this;
    return { seed: this.#seed, problems, ended, returns, faults, steps: this.time.steps };
  }

  #end(): false {
    this.#over = true;
    for (const process of this.#processes.values()) process.die();
    return false;
  }

  #process(): SimulatedProcess {
    const { random, time } = this;
    const rate = 1 + MAX_CLOCK_DRIFT * (2 * random() - 1);
    return new SimulatedProcess(time, random, { rate, offsetMs: 1e7 * random() });
  }

  #fault(): void {
    const place = Math.floor(this.random() * this.nodes.length);
    const node = this.nodes[place];
    const ms = this.between(200, 7_000);
    const then = (fn: () => void) => void this.time.after(ms, fn);
    const others = this.nodes.filter((other) => other !== node);
    const other = others[Math.floor(this.random() * others.length)];
    const kind = Math.floor(this.random() * 6);
    switch (kind) {
      case 0: // it dies, and comes back under another id
      case 1:
        this.faults.push("crash");
        node.die();
        return then(() => this.begin(place));
      case 2: // its process stands still
        this.faults.push("freeze");
        node.process.freeze();
        return then(() => node.process.thaw());
      case 3: // two nodes lose each other
        this.faults.push("cut");
        this.#cut(node, other, true);
        return then(() => this.#cut(node, other, false));
      case 4: // it loses all others, and the registry
        this.faults.push("isolation");
        node.line.cut = true;
        for (const each of others) this.#cut(node, each, true);
        return then(() => {
          node.line.cut = false;
          for (const each of others) this.#cut(node, each, false);
        });
      case 5:
        this.faults.push("registry");
        this.registryUp = false;
        return then(() => this.registryUp = true);
    }
  }

  #cut(a: JournalNode, b: JournalNode, cut: boolean): void {
    const pair = [a.name, b.name].sort().join(" ");
    if (cut) {
      this.#cuts.add(pair);
      this.network.cut(a.name, b.name);
    } else {
      this.#cuts.delete(pair);
      if (a.process.alive && b.process.alive) this.network.heal(a.name, b.name);
    }
  }

  /** Each node learns, in its time, whom it reaches. */
  #look(): void {
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        if (a === b || !a.process.alive) continue;
        this.#see(a, b);
      }
      for (const name of a.view) {
        if (!this.nodes.some((b) => b.name === name)) this.#lose(a, name);
      }
    }
    this.time.after(this.#emptyAt ? RESTING_LOOK_MS : LOOK_MS, () => this.#look());
  }

  #see(a: JournalNode, b: JournalNode): void {
    const way = `${a.name} ${b.name}`;
    const cut = this.#cuts.has([a.name, b.name].sort().join(" "));
    const reached = b.process.alive && !b.process.frozen && !cut;
    if (reached) {
      this.#silent.delete(way);
      if (!a.view.has(b.name)) {
        a.view.add(b.name);
        a.process.run(() => a.journal.members());
      }
      return;
    }
    const silent = this.#silent.get(way) ?? { until: this.time.now + this.between(300, 3_000) };
    this.#silent.set(way, silent);
    if (this.time.now >= silent.until) this.#lose(a, b.name);
  }

  #lose(a: JournalNode, name: string): void {
    if (!a.view.delete(name)) return;
    a.process.run(() => a.journal.members(name));
  }

  /** A client asks, and comes back until it has the whole answer. */
  async #client(i: number): Promise<void> {
    const seed = this.#seed * 100 + i;
    const asked = { tokens: 20 + Math.floor(this.random() * 100), seed };
    const name = this.random() < 0.5 ? `key-${i}` : undefined;
    const got: string[] = [];
    let id: string | undefined;
    for (let tries = 0;; tries++) {
      if (tries > 0) await this.sleep(this.between(20, 300));
      if (this.#over) return;
      const node = this.nodes[Math.floor(this.random() * this.nodes.length)];
      if (!node.process.alive || node.process.frozen) continue;
      if (id !== undefined && tries > 0) this.returns++;
      const connection = this.#connection(node, got);
      try {
        const open = await connection.until(
          id !== undefined
            ? node.requests.follow(id, connection.signal)
            : node.open(asked, name, connection.signal),
        );
        const onFirst = () => {
          if (id === undefined) void this.#observe(open.head.id);
          id = open.head.id;
        };
        if (await this.#read(open, { node, got, connection, onFirst })) {
          const expected = expectedTokens(asked);
          const tokens = got.flatMap(tokensOf);
          if (tokens.join() !== expected.join()) {
            this.fail(`client ${i} got ${tokens.length} tokens, not those of its answer`);
          }
          this.ended++;
          return;
        }
      } catch (error) {
        if (!hasCode(error, "request_unknown")) continue; // it comes back
        if (got.length > 0) {
          return this.fail(`the request of client ${i} is lost after ${got.length}`);
        }
        id = undefined;
      } finally {
        connection.close();
      }
    }
  }

  /** Others read the answer too, at any node: all must be told the same. */
  async #observe(id: string): Promise<void> {
    for (let tries = 0; tries < 3; tries++) {
      await this.sleep(this.between(200, 4_000));
      const node = this.nodes[Math.floor(this.random() * this.nodes.length)];
      if (this.#over) return;
      if (!node.process.alive || node.process.frozen) continue;
      const got: string[] = [];
      const connection = this.#connection(node, got);
      try {
        const open = await connection.until(node.requests.follow(id, connection.signal));
        await this.#read(open, { node, got, connection, onFirst: () => {} });
      } catch {
        // Its node is gone, or does not find it now.
      } finally {
        connection.close();
      }
    }
  }

  /** A connection ends with its node, or when the client has waited for long enough. */
  #connection(node: JournalNode, got: string[]) {
    const stop = new AbortController();
    const gone = Promise.withResolvers<never>();
    gone.promise.catch(() => {});
    let open = true;
    const patience = this.between(1_500, 30_000);
    let before = -1;
    let since = this.time.now;
    const look = () => {
      if (!open) return;
      if (got.length !== before) since = this.time.now;
      before = got.length;
      if (!node.process.alive || this.time.now - since > patience) {
        gone.reject(new Error("the connection is lost"));
        return node.process.run(() => stop.abort(new Error("the client went away")));
      }
      this.time.after(50, look);
    };
    look();
    return {
      signal: stop.signal,
      until: <T>(promise: Promise<T>): Promise<T> => Promise.race([promise, gone.promise]),
      close: () => {
        open = false;
        node.process.run(() => stop.abort(new Error("the client went away")));
      },
    };
  }

  /** Reads to the end, what is known already left out. Returns true at the end. */
  async #read(
    { head, records }: OpenRequest,
    { node, got, connection, onFirst }: {
      node: JournalNode;
      got: string[];
      connection: { until<T>(promise: Promise<T>): Promise<T> };
      onFirst: () => void;
    },
  ): Promise<boolean> {
    try {
      for (let at = 0;; at++) {
        const next = await connection.until(records.next());
        if (next.done) return true;
        const record = next.value;
        onFirst();
        this.#heard(head.id, at, { record, node });
        if (at >= got.length) got.push(record);
        // Some clients go away in the middle, and come back.
        if (this.random() < 0.004) throw new Error("the client went away");
      }
    } finally {
      node.process.run(() => void records.return(undefined).catch(() => {}));
    }
  }

  #heard(id: string, at: number, { record, node }: { record: string; node: JournalNode }): void {
    const key = `${id} ${at}`;
    const before = this.#told.get(key);
    if (before !== undefined && before !== record) {
      this.fail(`two nodes have told different records ${at} of ${id}: ${before} and ${record}`);
    }
    this.#told.set(key, record);
    const { holder } = node.journal;
    const own = node.journal.own(id);
    if (before !== undefined || holder === undefined || !own) return; // it was told before
    const copy = JournalNode.all.get(this)!.get(holder)!.copies.get(`${node.name} ${id}`) ?? 0;
    if (copy <= at) {
      this.fail(`${node.name} has told record ${at} of ${id}, and ${holder} has ${copy} of them`);
    }
  }
}
