/**
 * The actor system of one node: finds actors, activates them, carries messages to and fro.
 *
 * Promises, each attacked by `tests/actors_suite_test.ts` over every transport:
 * - messages from one sender to one receiver are handled in the order sent, each at most once;
 * - a sender waits while the receiver's mailbox is full: memory does not grow;
 * - an ask ends: with an answer, an error, its deadline, or its signal;
 * - a message that nobody handles is a dead letter, counted and shown;
 * - at most one activation of an address at an epoch; a message with an older epoch is refused;
 * - where an address may move between nodes, only its owner handles its messages, for as long as
 *   that is certain (`ownership.ts`);
 * - a message of another node reaches an actor only where its kind allows that sender, and in no
 *   other actor's name; what one node has under way here is bounded.
 *
 * @module
 */
import type { Activation } from "./activation.ts";
import { Activations } from "./activations.ts";
import { type Address } from "./address.ts";
import { AlarmClock } from "./alarm_clock.ts";
import { type CallerRule, callerRule, thisNode } from "./callers.ts";
import type { ActorDefinition } from "./define.ts";
import type { AskOptions, Behaviour, Message, MessageSchemas, TellOptions } from "./messages.ts";
import { type GetRef, type RefAt, refsOver } from "./ref.ts";
import { type DeadLetter, DeadLetters } from "./dead_letters.ts";
import { Delivery, type Origin } from "./delivery.ts";
import type { Directory } from "./directory.ts";
import type { DurableOptions } from "./durable.ts";
import type { Clock, Envelope, NodeId, TraceContext, Transport } from "./envelope.ts";
import { OrreryError } from "./errors.ts";
import { closed, invalidMessage, notActive, peerLost } from "./refusals.ts";
import { Inbound } from "./inbound.ts";
import { Inbox } from "./inbox.ts";
import { Kinds } from "./kinds.ts";
import { type MessageEnvelope, Outbound } from "./outbound.ts";
import type { OwnershipFence } from "./ownership.ts";
import type { Telemetry } from "./telemetry.ts";

/** Options of an {@linkcode ActorSystem}. */
export interface SystemOptions {
  /** Carries messages to other nodes; the system starts it, and closes it at its own end. */
  transport: Transport;
  /** Says which node owns an address. */
  directory: Directory;
  /** Times deadlines, idleness and `ctx.after`. */
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Unix time in milliseconds, by which alarms are due. @default Date.now */
  date?: () => number;
  /** Says what this node owns. @default every address that the directory gives to this node */
  fence?: OwnershipFence;
  /**
   * How many leases this node has taken; it never falls. It stands in the epochs of activations.
   * @default 1
   */
  leaseEpoch?: () => number;
  /** Runs a turn of an actor soon; a simulation picks which. @default queueMicrotask */
  schedule?: (turn: () => void) => void;
  /** Told of each dead letter. */
  onDeadLetter?: (letter: DeadLetter) => void;
  /** Told of each crash. */
  onCrash?: (address: string, error: OrreryError) => void;
  /** Takes what actors tell of their work. @default nobody does */
  telemetry?: Telemetry;
  /** Told when a peer is gone. */
  onPeerLost?: (peer: NodeId, reason: string) => void;
}

/** What is known of an active actor. */
export interface ActorStatus {
  /** `deployment/kind/key`. */
  address: string;
  /** Epoch of this activation; 0: it has not begun to handle anything. */
  epoch: number;
  /** Is a turn running? */
  busy: boolean;
  /** Messages in its mailbox. */
  queued: number;
  /** Local senders that wait for a place in it. */
  waiting: number;
}

/** The actors of one node, and the way to the actors of others. */
export class ActorSystem {
  /** This node, as the transport names it. */
  readonly node: NodeId;
  readonly #options: SystemOptions;
  readonly #kinds: Kinds;
  readonly #active: Activations;
  readonly #inboxes = new Map<string, Inbox>();
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  /** Asks that actors of this node handle or have in their mailboxes, by asking node and number. */
  readonly #inFlight = new Map<string, Delivery>();
  readonly #dead: DeadLetters;
  readonly #alarms: AlarmClock;
  /** Ends the search for alarms. */
  readonly #closed = new AbortController();
  /** A typed ref, used from the outside; see {@linkcode ActorContext.get}. */
  readonly get: GetRef;
  /** A typed ref to an address, used from the outside; see {@linkcode ActorContext.at}. */
  readonly at: RefAt;

  /** Starts the transport: messages of registered kinds are handled from now on. */
  constructor(options: SystemOptions) {
    this.#options = options;
    this.node = options.transport.node;
    this.#kinds = new Kinds(this.node);
    const { transport, directory, clock, random, fence, leaseEpoch = () => 1 } = options;
    this.#outbound = new Outbound({
      transport,
      directory,
      clock,
      isUrgent: (to, type) => this.#kinds.isUrgent(to, type),
      deliver: (envelope, origin, signal) => this.#accept(envelope, origin, signal),
      tryDeliver: (envelope, origin) => this.#tryAccept(envelope, origin),
      cancelHere: (id) => this.#inFlight.get(flightKey(undefined, id))?.cancel(),
      endedHere: (id) => void this.#inFlight.delete(flightKey(undefined, id)),
    });
    this.#inbound = new Inbound({
      transport,
      directory,
      ruleOf: (to, type) => this.#ruleOf(to, type),
      isHome: (to) => this.#active.get(to) !== undefined || this.#inboxes.has(to),
      isInFlight: (peer, id) => this.#inFlight.has(flightKey(peer, id)),
      answered: (peer, id) => void this.#inFlight.delete(flightKey(peer, id)),
      accept: (envelope, origin) => this.#accept(envelope, origin),
      dead: (letter, error) => this.#deadLetter(letter, error),
    });
    this.#dead = new DeadLetters(options.onDeadLetter);
    const { date = Date.now } = options;
    this.#alarms = new AlarmClock({ clock, date, ring: (to) => this.#active.ring(to) });
    ({ get: this.get, at: this.at } = refsOver(this));
    this.#active = new Activations({
      node: this.node,
      clock,
      directory,
      fence,
      leaseEpoch,
      kinds: this.#kinds,
      refuse: (delivery, error) => this.#refuse(delivery, error),
      settled: (to) => this.#inbound.settle(to),
      host: {
        clock,
        random,
        date,
        schedule: options.schedule ?? queueMicrotask,
        tell: (from, to, message, o, trace) => this.#outbound.tell({ from, to, message, trace }, o),
        ask: (from, to, message, o, trace) => this.#outbound.ask({ from, to, message, trace }, o),
        taken: (delivery) => this.#inbound.taken(delivery),
        dead: (delivery, error) => this.#deadLetter(delivery, error),
        crashed: (address, error) => options.onCrash?.(address, error),
        telemetry: options.telemetry,
        alarm: (address, at) => this.#alarms.set(address, at),
      },
    });
    options.transport.start({
      receive: (from, envelope) => this.#receive(from, envelope),
      peerLost: (peer, reason, undelivered) => this.#peerLost(peer, reason, undelivered),
    });
  }

  /**
   * Makes a kind of actor known here. Throws TypeError for a kind that is known already. `config`
   * is parsed when an actor is activated; `resources` gives what `ctx.resource` finds; `durable`
   * keeps the states and alarms of its actors, whose alarms ring from now on.
   */
  register<C, M extends MessageSchemas, B extends Behaviour<M>>(
    definition: ActorDefinition<C, M, B>,
    options: {
      config: C;
      resources?: (address: string) => Record<string, unknown>;
      durable?: DurableOptions;
    },
  ): void {
    const { config, resources = () => ({}), durable } = options;
    this.#kinds.add({ definition, config, resources, durable });
    if (durable && definition.alarms) void this.#findAlarms(definition.kind, durable);
  }

  /**
   * Replaces the definition of a kind that is known here. Its activations answer what they handle,
   * and end; what waits for them, and whatever comes, is for activations of the new one. Those for
   * which `keeps` says true go on as they are until they end by themselves.
   */
  replace<C, M extends MessageSchemas, B extends Behaviour<M>>(
    definition: ActorDefinition<C, M, B>,
    options: {
      config: C;
      durable?: DurableOptions;
      keeps?: (address: string) => boolean;
    },
  ): void {
    const { config, durable, keeps = () => false } = options;
    this.#kinds.replace({ definition, config, resources: () => ({}), durable });
    for (const activation of this.#ofKind(definition.kind)) {
      if (!keeps(activation.address)) activation.finish();
    }
    if (durable && definition.alarms) void this.#findAlarms(definition.kind, durable);
  }

  /**
   * Ends all activations of a kind once they have answered what they handle. Rejects with the
   * signal's reason where that takes longer.
   */
  async finish(kind: string, { signal }: { signal: AbortSignal }): Promise<void> {
    const ending = this.#ofKind(kind);
    for (const activation of ending) activation.finish();
    const late = Promise.withResolvers<never>();
    const abort = () => late.reject(signal.reason);
    signal.addEventListener("abort", abort);
    try {
      await Promise.race([Promise.all(ending.map((a) => a.done)), late.promise]);
      signal.throwIfAborted();
    } finally {
      late.promise.catch(() => {});
      signal.removeEventListener("abort", abort);
    }
  }

  #ofKind(kind: string): Activation[] {
    return this.#active.all().filter((a) => a.definition.kind === kind);
  }

  /**
   * Makes a kind unknown here: messages to its actors are refused with `unknown_kind`. Those that are
   * active go on until they are stopped.
   */
  unregister(kind: string): void {
    this.#kinds.remove(kind);
  }

  /** Sends from the outside; see {@linkcode ActorContext.tell}. */
  tell(
    to: string,
    message: Message,
    options: TellOptions & { trace?: TraceContext } = {},
  ): Promise<void> {
    return this.#outbound.tell({ from: "", to, message, trace: options.trace }, options);
  }

  /** Asks from the outside; see {@linkcode ActorContext.ask}. */
  ask(
    to: string,
    message: Message,
    options: AskOptions & { trace?: TraceContext } = {},
  ): Promise<unknown> {
    return this.#outbound.ask({ from: "", to, message, trace: options.trace }, options);
  }

  /**
   * Asks the actor with this address at this node, whatever the directory says of the address: one
   * that comes here later is activated before, and one that has gone elsewhere is ended.
   */
  askHere(to: string, message: Message, options: AskOptions = {}): Promise<unknown> {
    return this.#outbound.ask({ from: "", to, message, here: true }, options);
  }

  /**
   * Opens an inbox at an address of this node. `callers`: who on other nodes may send to it.
   * @default nobody
   */
  inbox(to: Address, options: { capacity?: number; callers?: CallerRule } = {}): Inbox {
    if (this.#inboxes.has(to) || this.#active.get(to)) {
      throw new TypeError(`address ${to} is taken`);
    }
    const { capacity = 64, callers = thisNode } = options;
    const inbox = new Inbox(to, { capacity, callers }, {
      taken: (delivery) => this.#inbound.taken(delivery),
      closed: (closed, rest) => {
        this.#inboxes.delete(closed.address);
        for (const delivery of rest) this.#refuse(delivery, notActive(delivery.to, delivery.type));
        this.#inbound.settle(closed.address);
      },
    });
    this.#inboxes.set(to, inbox);
    return inbox;
  }

  /** Ends an activation after its current turn. */
  async stop(to: string): Promise<void> {
    const activation = this.#active.get(to);
    activation?.stop();
    await activation?.done;
  }

  /** Resolves when nothing is active at this address of this node. Rejects with `signal.reason`. */
  async ended(to: string, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    for (let a = this.#active.get(to); a; a = this.#active.get(to)) {
      signal?.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = () => resolve();
      signal?.addEventListener("abort", look);
      void a.done.then(look);
      await promise;
      signal?.removeEventListener("abort", look);
    }
  }

  /** What is active here. */
  status(): ActorStatus[] {
    return this.#active.all().map((a) => ({
      address: a.address,
      epoch: a.epoch,
      busy: a.busy,
      queued: a.mailbox.size,
      waiting: a.mailbox.waiting,
    }));
  }

  /** The last dead letters, oldest first, and how many there were in all. */
  deadLetters(): { total: number; last: DeadLetter[] } {
    return this.#dead.summary();
  }

  /** Channels to remote actors that miss credit; for diagnosis. */
  get openChannels(): number {
    return this.#outbound.openChannels;
  }

  /**
   * Refuses new activations, ends every actor (waiting for running turns until the deadline),
   * closes the transport.
   */
  async close(options: { deadlineMs?: number } = {}): Promise<void> {
    this.#active.close();
    this.#closed.abort();
    this.#alarms.close();
    const activations = this.#active.all();
    for (const activation of activations) activation.stop();
    const late = new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(options.deadlineMs ?? 5_000, () => {
        for (const a of activations) a.kill(closed(a.address));
        resolve();
      });
      void Promise.all(activations.map((a) => a.done)).then(() => {
        cancel();
        resolve();
      });
    });
    await late;
    for (const inbox of [...this.#inboxes.values()]) inbox.close();
    this.#outbound.close();
    await this.#options.transport.close({ deadlineMs: options.deadlineMs });
  }

  /** Reads which actors of a kind have alarms, as often as it takes. */
  async #findAlarms(kind: string, durable: DurableOptions): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closed;
    for (let ms = 100; !signal.aborted; ms = Math.min(2 * ms, 5_000)) {
      try {
        const found = await durable.store.alarms({ signal });
        for (const { to, at } of found) {
          if (this.#kinds.find(to)?.durable !== durable || to.split("/")[1] !== kind) continue;
          this.#alarms.set(to, at); // an actor that is active says what is so
          this.#active.get(to)?.ring();
        }
        return;
      } catch {
        await new Promise<void>((resolve) => void clock.after(ms, resolve));
      }
    }
  }

  #receive(from: NodeId, envelope: Envelope): void {
    switch (envelope.kind) {
      case "tell":
      case "ask":
        return this.#inbound.receive(from, envelope);
      case "reply":
        return void this.#outbound.answered(from, envelope.id, envelope.body);
      case "error": {
        const { error } = envelope;
        if (this.#outbound.failed(from, envelope.id, OrreryError.fromWire(error))) return;
        if (error.metadata?.refused !== true) return;
        // A tell that was refused. Of what a node says of it, no more than this is kept.
        const [to, type] = [error.metadata.to, error.metadata.type].map((value) =>
          typeof value === "string" ? value.slice(0, MOST_CHARS) : ""
        );
        const kept = OrreryError.fromWire({ ...error, metadata: { to, type } });
        return this.#deadLetter({ to, from: "", type, peer: from }, kept);
      }
      case "cancel":
        return this.#inFlight.get(flightKey(from, envelope.id))?.cancel();
      case "credit":
        return this.#outbound.credited(from, envelope.to, envelope.n);
    }
  }

  /** Who on other nodes may send this. Throws `unknown_kind`, `unknown_message`. */
  #ruleOf(to: string, type: string): CallerRule | undefined {
    return this.#inboxes.get(to)?.callers ?? callerRule(this.#kinds.of(to, type).definition, type);
  }

  /**
   * Validates and puts into the mailbox; a local sender waits for its place. Throws when the
   * message is refused.
   */
  async #accept(envelope: MessageEnvelope, origin: Origin, signal?: AbortSignal): Promise<void> {
    const { receiver, delivery, urgent } = this.#admit(envelope, origin);
    if (origin.node !== undefined || urgent) put(receiver, delivery, urgent);
    else await offer(receiver, delivery, signal);
  }

  /**
   * As `#accept`, for a local sender and if there is a place now. Returns false where there is
   * none; then nothing has happened, but that the actor is active.
   */
  #tryAccept(envelope: MessageEnvelope, origin: Origin): boolean {
    const known = this.#inboxes.get(envelope.to) ?? this.#active.get(envelope.to);
    if (known && !envelope.urgent && !known.mailbox.open) return false;
    const { receiver, delivery, urgent } = this.#admit(envelope, origin);
    put(receiver, delivery, urgent);
    return true;
  }

  /** Validates a message and finds its receiver. Throws when the message is refused. */
  #admit(
    envelope: MessageEnvelope,
    origin: Origin,
  ): { receiver: Inbox | Activation; delivery: Delivery; urgent: boolean } {
    const { to, from, type, trace, ttlMs, key } = envelope;
    const clock = this.#options.clock;
    const deadline = ttlMs === undefined ? undefined : clock.now() + ttlMs;
    const deliveryOf = (body: unknown) =>
      new Delivery(clock, { to, from, type, body, origin, deadline, trace, key });
    const inbox = this.#inboxes.get(to);
    if (inbox) return { receiver: inbox, delivery: deliveryOf(envelope.body), urgent: false };
    const parsed = this.#kinds.of(to, type).definition.messages[type].safeParse(envelope.body);
    if (!parsed.success) {
      throw invalidMessage(to, type, parsed.error.issues[0]);
    }
    const activation = this.#active.receiverOf(envelope);
    const delivery = deliveryOf(parsed.data);
    if (envelope.kind === "ask") this.#inFlight.set(flightKey(origin.node, origin.id), delivery);
    const urgent = activation.definition.urgent?.includes(type) ?? false;
    return { receiver: activation, delivery, urgent };
  }

  #refuse(delivery: Delivery, error: OrreryError): void {
    this.#inbound.taken(delivery);
    delivery.origin.reject(error);
    this.#deadLetter(delivery, error);
  }

  #peerLost(peer: NodeId, reason: string, undelivered: Envelope[]): void {
    const error = peerLost(peer, reason);
    this.#outbound.lost(peer, error);
    this.#inbound.lost(peer);
    for (const delivery of this.#inFlight.values()) {
      if (delivery.origin.node === peer) delivery.cancel();
    }
    for (const e of undelivered) {
      if (e.kind === "tell") this.#deadLetter(e, error);
    }
    this.#options.onPeerLost?.(peer, reason);
  }

  #deadLetter(
    { to, from, type, peer }: Omit<DeadLetter, "error">,
    error: OrreryError,
  ): void {
    this.#dead.add({ to, from, type, error, ...(peer !== undefined && { peer }) });
  }
}

/** Longest address and name of a message that is kept of what another node says, characters. */
const MOST_CHARS = 512;

/** Puts a message that need not wait for its place. */
function put(receiver: Inbox | Activation, delivery: Delivery, urgent: boolean): void {
  receiver.mailbox.put(delivery, urgent);
  receiver.wake();
}

/** Puts a message of a local sender, which waits for its place. */
async function offer(
  receiver: Inbox | Activation,
  delivery: Delivery,
  signal?: AbortSignal,
): Promise<void> {
  const placed = receiver.mailbox.offer(delivery, signal);
  receiver.wake();
  await placed;
}

const flightKey = (node: NodeId | undefined, id: number) => `${node ?? ""}#${id}`;
