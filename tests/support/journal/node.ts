/**
 * One life of a node in a simulated world of journals.
 *
 * @module
 */
import {
  ActorSystem,
  directoryOf,
  IdempotencyKeys,
  journalActor,
  journalAddress,
  JournalledRequests,
  nodeKey,
  type OpenRequest,
  RequestJournal,
  type RunInit,
} from "../../../actors/mod.ts";
import type { SimulatedProcess } from "../ownership/process.ts";
import type { JournalWorld, SendAppend } from "./world.ts";

/** What a client asks. */
interface Asked {
  tokens: number;
  seed: number;
}

const mix = (a: number, b: number) => Math.imul(a ^ (b + 0x9e37), 0x85ebca6b) >>> 16;

/** The tokens of an answer: a function of the seed and the position. */
export const expectedTokens = ({ tokens, seed }: Asked): number[] =>
  Array.from({ length: tokens }, (_, i) => mix(seed, i));

/** Tokens of a record. */
export const tokensOf = (record: string): number[] => JSON.parse(record);

/** See the module's text. */
export class JournalNode {
  /** All lives of a world, the dead ones too. */
  static readonly all: WeakMap<JournalWorld, Map<string, JournalNode>> = new WeakMap();
  readonly line = { cut: false };
  /** Other nodes that live, as this one sees it. */
  readonly view = new Set<string>();
  readonly journal: RequestJournal;
  readonly requests: JournalledRequests;
  /** How many records of other nodes' requests it has been given: by node and request. */
  readonly copies = new Map<string, number>();
  readonly #world: JournalWorld;

  constructor(world: JournalWorld, readonly name: string, readonly process: SimulatedProcess) {
    this.#world = world;
    const lives = JournalNode.all.get(world) ?? new Map();
    JournalNode.all.set(world, lives.set(name, this));
    const { random, variant, time } = world;
    const { clock } = process;
    const system = new ActorSystem({
      transport: world.network.connect(name),
      directory: directoryOf((to) => nodeKey(to)?.node ?? name),
      ...{ clock, random },
      date: () => time.now,
      schedule: (turn) => void time.after(0.05 * random(), () => process.run(turn)),
    });
    const line = world.lineOf(process, this.line);
    const registry = variant.registry?.(line) ?? line;
    const at = (node: string) => system.at(journalActor, journalAddress(node));
    const send: SendAppend = (holder, message) => at(holder).append(message, { deadlineMs: 1_500 });
    const peers = () => [...this.view].sort((a, b) => this.#after(a) - this.#after(b));
    this.journal = new RequestJournal({
      ...{ node: name, clock, random, peers },
      date: () => time.now,
      registry: () => registry,
      runner: (run) => this.#answer(run),
      append: variant.append?.(send) ?? send,
    });
    const keys = new IdempotencyKeys({ registry: () => registry, clock, random });
    this.requests = new JournalledRequests({
      ...{ journal: this.journal, keys, clock },
      members: () => world.nodes.map((node) => node.name).filter((node) => node !== name),
      locate: async (node, id, deadlineMs) => (await at(node).locate({ id }, { deadlineMs })).state,
      read: (node, message, options) => at(node).read(message, options),
    });
    const { journal } = this;
    system.register(journalActor, {
      config: {},
      resources: () => ({
        journal: {
          append: (message: Parameters<typeof journal.append>[0]) => {
            const answer = journal.append(message);
            if (answer.state === "kept") {
              for (const { id, from, records } of message.ops) {
                if (answer.missing.includes(id)) continue;
                const key = `${message.origin} ${id}`;
                const have = this.copies.get(key) ?? 0;
                this.copies.set(key, Math.max(have, from + records.length));
              }
            }
            return variant.answer?.(answer) ?? answer;
          },
          locate: (id: string) => journal.locate(id),
          readOwn: (...read: Parameters<typeof journal.readOwn>) => journal.readOwn(...read),
        },
      }),
    });
  }

  /** Asks here; `name`: under this idempotency key. */
  async open(asked: Asked, name: string | undefined, signal: AbortSignal): Promise<OpenRequest> {
    const head = (id: string) => ({
      ...{ id, owner: "", keep_ms: 120_000 },
      request: JSON.stringify(asked),
    });
    if (name === undefined) return this.requests.begin(head(this.#id()), signal);
    return await this.requests.beginOnce({ name, asked: JSON.stringify(asked) }, {
      fresh: () => ({ id: this.#id(), seed: asked.seed }),
      make: ({ id }) => head(id),
    }, signal);
  }

  /** It ends without a goodbye. */
  die(): void {
    this.process.die();
    this.#world.network.crash(this.name);
  }

  /** How far another node stands behind this one in the ring of all. */
  #after(other: string): number {
    return other > this.name ? 0 : 1;
  }

  #id(): string {
    const digit = () => Math.floor(16 * this.#world.random()).toString(16);
    return Array.from({ length: 32 }, digit).join("");
  }

  /** Answers from where earlier runs came to, some tokens a record, as they come. */
  async *#answer({ head, known, signal }: RunInit): AsyncGenerator<string, void> {
    const asked: Asked = JSON.parse(head.request);
    const tokens = expectedTokens(asked);
    const { random } = this.#world;
    for (let at = known.flatMap(tokensOf).length; at < tokens.length;) {
      await this.#wait(5 + 80 * random(), signal);
      if (random() < 0.003) throw new Error("a stage has failed");
      const next = at + 1 + Math.floor(3 * random());
      yield JSON.stringify(tokens.slice(at, next));
      at = next;
    }
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      this.process.clock.after(ms, () => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
      if (signal.aborted) abort();
    });
  }
}
