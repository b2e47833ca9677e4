/**
 * In-process transport: several actor systems in one process, for single-node runs, tests and the
 * simulator.
 *
 * @module
 */
import type { Clock, Envelope, NodeId, Transport, TransportHandlers } from "./envelope.ts";
import { OrreryError } from "./errors.ts";
import { peerLost } from "./refusals.ts";
import { systemClock } from "./system_clock.ts";

/** Options of a {@linkcode LocalNetwork}. */
export interface LocalNetworkOptions {
  /**
   * Schedules one delivery step of one link. It may delay steps and shuffle them at will, and must
   * run each once: a step takes whatever is *next* on its link, so order per sender and receiver
   * holds in any schedule.
   * @default queueMicrotask
   */
  deliver?: (step: () => void, link: { from: NodeId; to: NodeId }) => void;
  /** Envelopes that one link holds before `send` waits. @default 1024 */
  windowMessages?: number;
  /** Times the deadline of `close`. @default the real clock */
  clock?: Pick<Clock, "after">;
}

/** What travels on a link: an envelope, or the news that its sender is gone. */
type LinkItem = { envelope: Envelope } | { lost: string; undelivered: Envelope[] };

/** A `send` that waits for a place on its link. */
interface WaitingSend {
  /** Puts the envelope on the link and resolves the sender's promise. */
  admit(): void;
  reject(error: unknown): void;
}

/** One direction between two nodes. */
interface Link {
  from: NodeId;
  to: NodeId;
  /** Sent, not delivered yet. */
  queue: LinkItem[];
  /** Sends beyond the window, oldest first. */
  waiting: WaitingSend[];
  /** Steps handed to the scheduler that have not run. */
  steps: number;
  /** True between `cut` and `heal`: nothing is delivered. */
  cut: boolean;
}

/**
 * A loopback network. Bodies are passed by reference: what was sent must not be changed afterwards.
 */
export class LocalNetwork {
  readonly #deliver: NonNullable<LocalNetworkOptions["deliver"]>;
  readonly #window: number;
  readonly #clock: Pick<Clock, "after">;
  readonly #nodes = new Map<NodeId, LocalTransport>();
  readonly #gone = new Map<NodeId, string>();
  readonly #links = new Map<NodeId, Map<NodeId, Link>>();
  /** By closing node: the function that checks, after each delivery, whether its links are empty. */
  readonly #drained = new Map<NodeId, () => void>();

  /** A network without nodes; {@linkcode LocalNetwork.connect} adds them. */
  constructor(options: LocalNetworkOptions = {}) {
    this.#deliver = options.deliver ?? ((step) => queueMicrotask(step));
    this.#window = options.windowMessages ?? 1024;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Adds a node. A name can be used again after `crash` or `close`. Throws `node_exists` for a live
   * one.
   */
  connect(node: NodeId): Transport {
    if (this.#nodes.has(node)) {
      throw mailboxError("node_exists", `node ${node} is connected already`, { node });
    }
    this.#gone.delete(node);
    const transport = new LocalTransport(node, {
      send: (to, envelope, signal) => this.#send(node, to, envelope, signal),
      started: () => this.#started(node),
      close: (deadlineMs) => this.#close(node, deadlineMs),
    });
    this.#nodes.set(node, transport);
    return transport;
  }

  /** Stops delivery between two nodes in both directions; what is sent stays queued. */
  cut(a: NodeId, b: NodeId): void {
    for (const link of [this.#link(a, b), this.#link(b, a)]) link.cut = true;
  }

  /** Undoes {@linkcode LocalNetwork.cut}; what was queued is delivered. */
  heal(a: NodeId, b: NodeId): void {
    for (const link of [this.#link(a, b), this.#link(b, a)]) {
      link.cut = false;
      this.#pump(link);
    }
  }

  /** The node dies: nothing that it had under way arrives, the others get `peerLost`. */
  crash(node: NodeId): void {
    this.#remove(node, "crashed");
  }

  #link(from: NodeId, to: NodeId): Link {
    let row = this.#links.get(from);
    if (!row) this.#links.set(from, row = new Map());
    let link = row.get(to);
    if (!link) row.set(to, link = { from, to, queue: [], waiting: [], steps: 0, cut: false });
    return link;
  }

  #send(from: NodeId, to: NodeId, envelope: Envelope, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (!this.#nodes.has(to) || to === from) {
      return Promise.reject(
        this.#gone.has(to)
          ? peerLost(to, this.#gone.get(to)!)
          : mailboxError("unknown_peer", `node ${from} knows no peer ${to}`, { peer: to }),
      );
    }
    const link = this.#link(from, to);
    if (link.queue.length < this.#window && link.waiting.length === 0) {
      link.queue.push({ envelope });
      this.#pump(link);
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const abort = () => {
        link.waiting.splice(link.waiting.indexOf(waiting), 1);
        reject(signal!.reason);
      };
      const waiting: WaitingSend = {
        admit: () => {
          signal?.removeEventListener("abort", abort);
          link.queue.push({ envelope });
          resolve();
        },
        reject: (error) => {
          signal?.removeEventListener("abort", abort);
          reject(error);
        },
      };
      link.waiting.push(waiting);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** Keeps one scheduled step for each queued item. */
  #pump(link: Link): void {
    const head = link.queue[0];
    if (!head || (link.cut && "envelope" in head) || !this.#nodes.get(link.to)?.handlers) return;
    while (link.steps < link.queue.length) {
      link.steps++;
      this.#deliver(() => this.#step(link), { from: link.from, to: link.to });
    }
  }

  /**
   * Delivers the next item, unless the link is cut or the receiver has not started: `heal` and
   * `start` pump again.
   */
  #step(link: Link): void {
    link.steps--;
    const handlers = this.#nodes.get(link.to)?.handlers;
    const item = link.queue[0];
    if (!handlers || item === undefined || (link.cut && "envelope" in item)) return;
    link.queue.shift();
    link.waiting.shift()?.admit();
    this.#pump(link);
    this.#drained.get(link.from)?.();
    if ("envelope" in item) handlers.receive(link.from, item.envelope);
    else handlers.peerLost(link.from, item.lost, item.undelivered);
  }

  #started(node: NodeId): void {
    for (const row of this.#links.values()) {
      const link = row.get(node);
      if (link) this.#pump(link);
    }
  }

  #close(node: NodeId, deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.#drained.delete(node);
        this.#remove(node, "left");
        resolve();
      };
      const cancel = this.#clock.after(deadlineMs, done);
      const check = () => {
        const links = [...(this.#links.get(node)?.values() ?? [])];
        if (links.every((link) => link.queue.length === 0)) done();
      };
      this.#drained.set(node, check);
      check();
    });
  }

  #remove(node: NodeId, reason: string): void {
    const transport = this.#nodes.get(node);
    if (!transport) return;
    this.#nodes.delete(node);
    this.#gone.set(node, reason);
    transport.closed = true;
    for (const link of this.#links.get(node)?.values() ?? []) {
      link.queue = link.queue.filter((item) => "lost" in item);
      for (const w of link.waiting.splice(0)) w.reject(closedError(node));
    }
    for (const peer of this.#nodes.keys()) {
      const out = this.#link(peer, node);
      const undelivered = out.queue.flatMap((item) => "envelope" in item ? [item.envelope] : []);
      for (const w of out.waiting.splice(0)) {
        w.reject(peerLost(node, reason));
      }
      const back = this.#link(node, peer);
      back.queue.push({ lost: reason, undelivered });
      this.#pump(back);
    }
    for (const row of this.#links.values()) {
      const link = row.get(node);
      if (link) link.queue = [];
    }
  }
}

/** What a node's transport asks of its network. */
interface NetworkPort {
  send(to: NodeId, envelope: Envelope, signal?: AbortSignal): Promise<void>;
  started(): void;
  close(deadlineMs: number): Promise<void>;
}

class LocalTransport implements Transport {
  handlers?: TransportHandlers;
  closed = false;
  readonly #port: NetworkPort;

  constructor(readonly node: NodeId, port: NetworkPort) {
    this.#port = port;
  }

  start(handlers: TransportHandlers): void {
    this.handlers = handlers;
    this.#port.started();
  }

  send(peer: NodeId, envelope: Envelope, signal?: AbortSignal): Promise<void> {
    if (this.closed) return Promise.reject(closedError(this.node));
    return this.#port.send(peer, envelope, signal);
  }

  async close(options: { deadlineMs?: number } = {}): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.#port.close(options.deadlineMs ?? 1000);
  }
}

function closedError(node: NodeId): OrreryError {
  return mailboxError("closed", `the mailbox of node ${node} is closed`, { node });
}

function mailboxError(
  code: string,
  message: string,
  metadata: Record<string, unknown>,
): OrreryError {
  return new OrreryError({ group: "mailbox", code, message, metadata });
}
