/**
 * Tests one actor alone, in virtual time: its messages, its timers, its state and its alarms, and
 * what it says to others, whom the test answers for.
 *
 * ```ts
 * await using t = testActor(counter, { config: {} });
 * await t.ref.add({ n: 2 });
 * await t.advance(86_400_000); // a day, at once
 * assert.equal(await t.ref.read(), 0); // its alarm has reset it
 * ```
 *
 * Only what goes through `ctx` is virtual: an actor that reads a file or awaits a real timer is not
 * waited for.
 *
 * @module
 */
import { type Address, address } from "./address.ts";
import type { ActorDefinition } from "./define.ts";
import type { Alarm, DurableStore, Json, KeptActor } from "./durable.ts";
import type { Envelope, Transport } from "./envelope.ts";
import { toOrreryError } from "./errors.ts";
import type { Behaviour, Message, MessageSchemas } from "./messages.ts";
import { type ActorRef, refsOver } from "./ref.ts";
import { Simulation } from "./simulation.ts";

/** Names of the two nodes: that of the actor, and that of everybody else. */
const HERE = "tested";
const OTHERS = "others";
/** Virtual milliseconds within which what an ask waits for must come. */
const LONGEST_MS = 3_600_000;

/** A message that the tested actor has sent. */
export interface SentMessage {
  /** The receiver's address. */
  readonly to: Address;
  /** Was an answer waited for? */
  readonly asked: boolean;
  /** The message: its name as `type`, its fields beside it. */
  readonly message: Message;
  /** Its idempotency key; undefined: it has none. */
  readonly key?: string;
}

/** Options of {@linkcode testActor}. */
export interface TestActorOptions<C> {
  /** The actor's configuration. */
  config: C;
  /** Last part of its address. @default "main" */
  key?: string;
  /** First part of its address. @default the definition's, or "default" */
  deployment?: string;
  /**
   * Answers what the actor asks others, told their address; what it throws is their error. For
   * tells, the answer is dropped. @default every ask is answered with undefined
   */
  others?: (to: Address, message: Message) => unknown;
  /** What `ctx.resource` finds. @default nothing */
  resources?: Record<string, unknown>;
  /** Unix time in milliseconds at the beginning. @default 0 */
  date?: number;
  /** The run: equal seeds draw equal random numbers. @default 1 */
  seed?: number;
}

/** An actor under test. */
export interface TestedActor<M extends MessageSchemas, B extends Behaviour<M>>
  extends AsyncDisposable {
  /** Sends to it; time runs on until the answer has come. */
  readonly ref: ActorRef<M, B>;
  /** What it has sent to others, in order. */
  readonly sent: readonly SentMessage[];
  /** Messages of its crashes, in order. */
  readonly crashes: readonly string[];
  /** Its state as it is saved; undefined: none is. */
  readonly state: Json | undefined;
  /** Its alarms as they are saved, in the order in which they are due. */
  readonly alarms: readonly Alarm[];
  /** Virtual milliseconds since the beginning. */
  readonly now: number;
  /** Lets so many milliseconds pass: timers fire, alarms ring. */
  advance(ms: number): Promise<void>;
  /** Ends the activation; the next message begins one that goes on from what is saved. */
  restart(): Promise<void>;
}

/** See the module's text. */
export function testActor<C, M extends MessageSchemas, B extends Behaviour<M>, S>(
  definition: ActorDefinition<C, M, B, S>,
  options: TestActorOptions<C>,
): TestedActor<M, B> {
  const { config, key = "main", resources = {}, date = 0, seed = 1 } = options;
  const { deployment = definition.deployment ?? "default" } = options;
  const self = address(deployment, definition.kind, key);
  const simulation = new Simulation({ seed, latencyMs: { min: 0, max: 0 } });
  const others = new Others(simulation.network.connect(OTHERS), options.others);
  const crashes: string[] = [];
  const owner = (to: string) => ({ node: to === self ? HERE : OTHERS, epoch: 1 });
  const system = simulation.node(HERE, { resolve: owner }, {
    date: () => date + simulation.clock.now(),
    onCrash: (_, error) => void crashes.push(error.message),
  });
  const kept = new Map<string, KeptActor>();
  const durable = definition.state || definition.alarms ? { store: storeOver(kept) } : undefined;
  system.register(definition, { config, resources: () => resources, durable });

  let turn: Promise<unknown> = Promise.resolve();
  /** Time is moved by one at a time. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const next = turn.then(act, act);
    turn = next.catch(() => {});
    return next;
  };
  const until = <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => {}); // whoever waits hears it in its turn
    return inTurn(() => simulation.until(promise, { forMs: LONGEST_MS }));
  };
  const { at } = refsOver({
    ask: (to, message, options) => until(system.ask(to, message, options)),
    tell: (to, message, options) => until(system.tell(to, message, options)),
  });
  return {
    ref: at(definition, self),
    sent: others.sent,
    crashes,
    get state() {
      const { state } = kept.get(self) ?? {};
      return state === undefined ? undefined : JSON.parse(state);
    },
    get alarms() {
      return (kept.get(self)?.alarms ?? []).map(({ name, at, message }) => ({ name, at, message }));
    },
    get now() {
      return simulation.clock.now();
    },
    advance: (ms) => inTurn(() => simulation.run({ forMs: ms })),
    restart: () => until(system.stop(self)),
    [Symbol.asyncDispose]: () => until(system.close()),
  };
}

/** Everybody but the tested actor. */
class Others {
  readonly sent: SentMessage[] = [];

  constructor(transport: Transport, answer: TestActorOptions<unknown>["others"] = () => undefined) {
    const reply = (envelope: Envelope) => void transport.send(HERE, envelope).catch(() => {});
    transport.start({
      peerLost: () => {},
      receive: (_, envelope) => {
        if (envelope.kind !== "tell" && envelope.kind !== "ask") return;
        const { id, kind, to, type, body, key, urgent } = envelope;
        const message = { ...body as object, type };
        this.sent.push({ to: to as Address, asked: kind === "ask", message, ...(key && { key }) });
        if (!urgent) reply({ kind: "credit", to, n: 1 });
        Promise.resolve().then(() => answer(to as Address, message)).then(
          (body) => kind === "ask" && reply({ kind: "reply", id, body }),
          (error) =>
            kind === "ask" &&
            reply({ kind: "error", id, error: toOrreryError(error, to).toWire() }),
        );
      },
    });
  }
}

/** Keeps records in memory. */
function storeOver(kept: Map<string, KeptActor>): DurableStore {
  return {
    open: (to) =>
      Promise.resolve({
        kept: kept.get(to),
        save: (actor) => Promise.resolve(void kept.set(to, actor)),
      }),
    alarms: () =>
      Promise.resolve(
        [...kept].flatMap(([to, { alarms: [first] }]) =>
          first ? [{ to: to as Address, at: first.at }] : []
        ),
      ),
  };
}
