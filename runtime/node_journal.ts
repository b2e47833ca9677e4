/**
 * The journal of a node: which nodes it may choose as holder, and how it reaches other journals.
 *
 * @module
 */
import {
  type ActorSystem,
  IdempotencyKeys,
  journalActor,
  journalAddress,
  JournalledRequests,
  type NodeId,
  type Registry,
  RequestJournal,
  type RunInit,
  systemClock,
  type Telemetry,
} from "../actors/mod.ts";
import { type Generator, JournalledAnswers } from "./api/mod.ts";
import type { ClusterDirectory } from "./cluster/mod.ts";

/** What a {@linkcode NodeJournal} is made of. */
export interface NodeJournalOptions {
  system: ActorSystem;
  /** Tells who coordinates. */
  directory: Pick<ClusterDirectory, "seed">;
  /** The cluster's registry, as this node reaches it now. */
  registry: () => Registry;
  /** Told how long the second node took to answer an append; undefined: it did not. */
  onAppend?: (ms: number | undefined) => void;
  /** Begins spans of appends. @default nobody does */
  tracer?: Pick<Telemetry, "span">;
}

/** Makes it; `undo` closes it. */
export function openJournal(options: NodeJournalOptions, undo: AsyncDisposableStack): NodeJournal {
  const journal = new NodeJournal(options);
  undo.defer(() => journal.close());
  return journal;
}

/** See the module's text. */
export class NodeJournal {
  readonly #options: NodeJournalOptions;
  readonly #journal: RequestJournal;
  readonly #requests: JournalledRequests;
  /** The other nodes of the cluster, as its newest deployment says. */
  #members: NodeId[] = [];
  /** Nodes of them whose link has ended. */
  readonly #unreachable = new Set<NodeId>();
  #answers?: JournalledAnswers;

  constructor(options: NodeJournalOptions) {
    this.#options = options;
    const { system, registry } = options;
    const { node } = system;
    const clock = systemClock;
    const random = Math.random;
    const at = (other: NodeId) => system.at(journalActor, journalAddress(other));
    this.#journal = new RequestJournal({
      ...{ node, registry, clock, random },
      peers: () => this.#peers(),
      members: () => this.#members,
      append: (holder, message, { deadlineMs, spans }) =>
        this.#timed(() => at(holder).append(message, { deadlineMs }), spans),
      runner: (run) => this.#run(run),
    });
    this.#requests = new JournalledRequests({
      ...{ journal: this.#journal, clock, keys: new IdempotencyKeys({ registry, clock, random }) },
      members: () => this.#members,
      locate: async (other, id, deadlineMs) =>
        (await at(other).locate({ id }, { deadlineMs })).state,
      read: (other, message, limits) => at(other).read(message, limits),
    });
    system.register(journalActor, { config: {}, resources: () => ({ journal: this.#journal }) });
  }

  /** The API's requests, which this generator answers. */
  answers(generator: Generator): JournalledAnswers {
    return this.#answers = new JournalledAnswers({ generator, requests: () => this.#requests });
  }

  /** The cluster has these nodes. */
  members(nodes: readonly NodeId[]): void {
    this.#members = nodes.filter((node) => node !== this.#options.system.node);
    this.#unreachable.clear();
    this.#journal.members();
  }

  /** The cluster says that a node is gone. */
  lost(node: NodeId): void {
    this.#unreachable.add(node);
    this.#journal.members(node);
  }

  /** The link to a node has ended; whether the node is gone, the cluster says. */
  unreachable(node: NodeId): void {
    this.#unreachable.add(node);
    this.#journal.members();
  }

  /** What it is at, for metrics. */
  get sample(): { lag: number; requests: number; heldBytes: number } {
    const { own, uncertain, heldBytes } = this.#journal.facts;
    return { lag: uncertain, requests: own, heldBytes };
  }

  /** Times an append, for metrics and in the traces of its requests. */
  async #timed<T>(append: () => Promise<T>, traces: readonly string[]): Promise<T> {
    const { onAppend, tracer } = this.#options;
    const since = systemClock.now();
    const spans = tracer
      ? traces.map((traceparent) => tracer.span("journal", { parent: { traceparent } }))
      : [];
    try {
      const answer = await append();
      onAppend?.(systemClock.now() - since);
      for (const span of spans) span?.end();
      return answer;
    } catch (error) {
      onAppend?.(undefined);
      for (const span of spans) span?.end({ error: "not acknowledged" });
      throw error;
    }
  }

  /** Ends the requests that run: the node with their copies may go on with them. */
  close(): void {
    this.#journal.close();
  }

  /**
   * Nodes that may keep copies: those behind this one in the order of names come first, so that each
   * has another one; the coordinator, with which the registry may go, comes last.
   */
  #peers(): NodeId[] {
    const { system: { node }, directory } = this.#options;
    const rank = (other: NodeId) => (other === directory.seed ? 2 : 0) + (other > node ? 0 : 1);
    return this.#members.filter((other) => !this.#unreachable.has(other))
      .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  }

  #run(run: RunInit): AsyncIterable<string> {
    if (!this.#answers) throw new TypeError("requests run before the API is there");
    return this.#answers.run(run);
  }
}
