/**
 * Several nodes over one registry in virtual time, each with a clock of its own: the classes of
 * `actors/ownership/` and `actors/system/` as nodes use them, under faults that a seed draws.
 *
 * Two ledgers move between the nodes: one that nodes claim, and one of the coordinator. Every node
 * asks both, all the time. In the first part of a run nodes crash and come back under a new id,
 * stand still for longer than their leases, lose the registry and each other, requests and
 * replies are lost or land late. In the second part nothing fails any more: then all must agree.
 *
 * @module
 */
import {
  type DurableStore,
  LocalNetwork,
  MAX_CLOCK_DRIFT,
  type Ownership,
  type Registry,
  seededRandom,
} from "../../../actors/mod.ts";
import { SimulatedRegistry, SimulatedServer } from "../simulated_registry.ts";
import { drawFaults } from "./faults.ts";
import { History } from "./history.ts";
import { SimulatedNode } from "./node.ts";
import { SimulatedProcess } from "./process.ts";
import { FAULTS_MS, LEDGER_ADDRESSES, type LineState, SETTLE_MS } from "./setting.ts";
import { type Steps, VirtualTime } from "./virtual_time.ts";

/** Most that a clock may be off, milliseconds. */
const SKEW_MS = 12 * 3_600_000;

/** Milliseconds between two looks whether all agree. */
const LOOK_MS = 40;

/** Parts of the product that a test replaces, to see that the checks notice. */
export interface Variant {
  /** The registry as nodes use it. */
  registry?: (registry: Registry, node: SimulatedNode) => Registry;
  /** The registry as the ledgers of a node use it. */
  ledgerRegistry?: (registry: Registry, node: SimulatedNode) => Registry;
  /** The ownership that dispatch asks. */
  ownership?: (ownership: Ownership) => Ownership;
  /** The ledgers are durable actors; what keeps them. */
  durable?: (store: DurableStore) => DurableStore;
  /** Epoch in the keys of what a ledger writes. */
  epochOf?: (epochs: { activation: number; owner: number }) => number;
}

/** What one run has shown. */
export interface WorldReport {
  seed: number;
  /** What was wrong; empty: nothing. */
  problems: string[];
  /** Virtual steps, answers to clients, messages that ledgers took. */
  steps: number;
  answered: number;
  handled: number;
  /** Ownerships that began, of both ledgers. */
  owners: number;
  /** Leases that ended while their node lived. */
  lapses: number;
}

/** See the module's text. */
export class OwnershipWorld implements Steps {
  readonly time: VirtualTime = new VirtualTime();
  readonly history: History = new History();
  readonly random: () => number;
  readonly variant: Variant;
  readonly network: LocalNetwork;
  readonly server: SimulatedServer;
  /** Does the registry's server answer? */
  serverUp = true;
  /** Nodes that live, by their place: a node that comes back has another id. */
  readonly nodes: SimulatedNode[] = [];
  owners = 0;
  lapses = 0;
  /** In half of the worlds messages take next to no time, so that a takeover is quick. */
  readonly #slow: number;
  readonly #seed: number;
  readonly #processes = new Map<string, SimulatedProcess>();
  #lives = 0;
  #nextLook = FAULTS_MS;
  #ended = false;

  constructor(seed: number, variant: Variant = {}) {
    this.#seed = seed;
    this.variant = variant;
    this.random = seededRandom(seed);
    const { time } = this;
    this.#slow = this.random() < 0.5 ? 1 : 0.02;
    const judge = new SimulatedProcess(time, this.random, this.#clock());
    this.server = new SimulatedServer(judge.clock);
    this.server.onCommit = ({ changes }) => {
      for (const { key } of changes) if (key.startsWith("owners/g/")) this.#moved(key);
    };
    this.network = new LocalNetwork({
      clock: { after: (ms, fn) => time.after(ms, fn) },
      deliver: (step, { to }) =>
        void time.after(this.travel(), () => this.#processes.get(to)?.run(step)),
    });
    for (let place = 0; place < 3; place++) this.begin(place);
    drawFaults(this);
  }

  /** A number between two. */
  between(min: number, max: number): number {
    return min + (max - min) * this.random();
  }

  /** Milliseconds that a message is under way. */
  travel(): number {
    return this.#slow * this.between(0.2, 3);
  }

  /** A node begins its life at this place. */
  begin(place: number): void {
    const process = new SimulatedProcess(this.time, this.random, this.#clock());
    const node = new SimulatedNode(this, place, `n${place}-${++this.#lives}`, process);
    this.#processes.set(node.name, process);
    this.nodes[place] = node;
    node.start();
  }

  /** The line between a node and the registry. */
  lineOf(process: SimulatedProcess, state: LineState): SimulatedRegistry {
    const lost = () => state.cut || !this.serverUp || this.random() < state.lossy;
    return new SimulatedRegistry(this.server, {
      request: (arrive) => {
        const late = this.random() < state.late;
        if (!late && lost()) return;
        const ms = late ? this.between(0, state.lateMs) : this.travel();
        this.time.after(ms, () => this.serverUp && arrive());
      },
      reply: (arrive) => {
        if (lost()) return;
        this.time.after(this.travel(), () => process.run(arrive));
      },
    }, process.clock);
  }

  step(): boolean {
    if (this.#ended) return false;
    if (this.history.problems.length > 0) return this.#end();
    if (this.time.now >= this.#nextLook && this.#unrest().length === 0) return this.#end();
    if (this.time.step(FAULTS_MS + SETTLE_MS)) return true;
    for (const what of this.#unrest()) this.history.fail(what);
    return this.#end();
  }

  /** See {@linkcode WorldReport}. */
  report(): WorldReport {
    const { problems, answered, handled } = this.history;
    const { owners, lapses } = this;
    return {
      seed: this.#seed,
      problems,
      steps: this.time.steps,
      answered,
      handled,
      owners,
      lapses,
    };
  }

  /** An owner of a ledger has changed: the nodes hear of it, each in its time. */
  #moved(key: string): void {
    const address = key.slice("owners/".length);
    const entry = this.server.get(key);
    if (!entry) return;
    for (const node of this.nodes) {
      const ms = this.random() < 0.2 ? this.between(0, 300) : this.travel();
      this.time.after(ms, () => node?.process.run(() => node.hears(address, entry)));
    }
  }

  /** A clock as bad as is assumed: half of them as fast or slow as they may be. */
  #clock(): { rate: number; offsetMs: number } {
    const extreme = this.random() < 0.5 ? Math.sign(this.random() - 0.5) : this.between(-1, 1);
    return {
      rate: 1 + MAX_CLOCK_DRIFT * extreme,
      offsetMs: this.between(-SKEW_MS, SKEW_MS),
    };
  }

  /** What keeps the world from having come to rest: everybody must agree, and be answered. */
  #unrest(): string[] {
    this.#nextLook = this.time.now + LOOK_MS;
    const { nodes } = this;
    const unrest: string[] = [];
    const terms = new Set(nodes.map((node) => JSON.stringify(node.election.current)));
    if (terms.size !== 1 || nodes[0].election.current === undefined) {
      unrest.push(`the nodes disagree about the coordinator: ${[...terms].join(", ")}`);
    }
    for (const node of nodes) {
      if (!node.lease.current) unrest.push(`node ${node.name} holds no lease at the end`);
      for (const address of LEDGER_ADDRESSES) {
        if (!node.answeredSince(address, FAULTS_MS)) {
          unrest.push(`node ${node.name} is not answered by ${address} at the end`);
        }
      }
    }
    return unrest;
  }

  #end(): false {
    this.#ended = true;
    for (const process of this.#processes.values()) process.die();
    return false;
  }
}
