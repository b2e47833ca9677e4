/**
 * Machines and links that fail, under the deterministic simulator: processes that crash or stand
 * still, machines that are switched off, links that are cut in one direction or both, slow or lossy.
 *
 * A link behaves as a mailbox's does: it is ordered, what was sent while it is cut arrives when it is
 * whole again, and after {@linkcode LOST_MS} it is dropped, which the sender is told. Each process
 * has a clock of its own.
 *
 * @module
 */
import {
  type Clock,
  type Envelope,
  type NodeId,
  OrreryError,
  type Simulation,
  type Transport,
  type TransportHandlers,
} from "../../actors/mod.ts";

/** A link that is cut for this time loses what waits on it, milliseconds: as the mailbox's. */
const LOST_MS = 10_000;

/** Where a process's own timers come from, in contrast to the connections to others. */
const TIMERS = "timers";
/** A process that goes on reads all of its connections within this time, milliseconds. */
const THAW_MS = 600;

/** One process of a machine: a life of a node. */
export class FaultyProcess {
  /** Called when the connection to another process broke. */
  onBroke: (node: NodeId) => void = () => {};
  handlers?: TransportHandlers;
  /** It ended, by itself or with its machine. */
  dead = false;
  /** Its machine is switched off: it refuses nothing. */
  off = false;
  frozen = false;
  /** Virtual time from which on it has been neither dead nor frozen. */
  soundSince: number;
  /** When something last came from a node, by this process's own clock. */
  readonly heardAt = new Map<NodeId, number>();
  readonly clock: Clock;
  /** What waits until it goes on, by where it comes from. */
  readonly #backlog = new Map<string, (() => void)[]>();
  /** By source: virtual time from which on it is read. */
  readonly #readsAt = new Map<string, number>();
  readonly #sim: Simulation;

  /** `offsetMs` and `rate` are those of its clock against the simulation's. */
  constructor(
    sim: Simulation,
    readonly id: NodeId,
    readonly machine: string,
    { offsetMs, rate }: { offsetMs: number; rate: number },
  ) {
    this.#sim = sim;
    this.soundSince = sim.clock.now();
    this.clock = {
      now: () => offsetMs + rate * sim.clock.now(),
      after: (ms, fn) => sim.clock.after(ms / rate, () => this.run(fn)),
    };
  }

  /**
   * Runs something in this process: now, when it goes on and has come to it, or never. `source`: the
   * connection on which it came.
   */
  run(fn: () => void, source = TIMERS): void {
    if (this.dead) return;
    const wait = (this.#readsAt.get(source) ?? 0) - this.#sim.clock.now();
    if (!this.frozen && wait <= 0) return fn();
    if (!this.frozen) return void this.#sim.clock.after(wait, () => this.run(fn, source));
    const waiting = this.#backlog.get(source) ?? [];
    this.#backlog.set(source, waiting);
    waiting.push(fn);
  }

  /** It stands still, as by SIGSTOP. */
  freeze(): void {
    this.frozen = true;
  }

  /**
   * It goes on: all that waits happens. Timers come first, and connections are read in any order,
   * each from its beginning, since memory and caches must come back.
   */
  thaw(): void {
    if (!this.frozen || this.dead) return;
    this.frozen = false;
    this.soundSince = this.#sim.clock.now();
    const waiting = [...this.#backlog];
    this.#backlog.clear();
    for (const [source] of waiting) {
      if (source === TIMERS) continue;
      this.#readsAt.set(source, this.#sim.clock.now() + THAW_MS * this.#sim.random());
    }
    for (const [source, fns] of waiting) {
      for (const fn of fns) this.run(fn, source);
    }
  }
}

/** A message that waits on a cut way. */
interface Waiting {
  envelope: Envelope;
  sender: FaultyProcess;
  receiver: FaultyProcess;
}

/** The way from one machine to another. */
interface Wire {
  queue: Waiting[];
  /** Virtual time from which on it has been whole; undefined: it is cut. */
  wholeSince?: number;
  /** Number of times that it was cut. */
  cuts: number;
  /** Virtual milliseconds that a message takes, drawn uniformly. */
  latencyMs: { min: number; max: number };
  /** Chance that an answer is lost. */
  loss: number;
  /** When the last message of each process arrives: its later ones do not overtake it. */
  lastAt: Map<NodeId, number>;
  /** Virtual time from which on it has been quick and lossless; undefined: it is not. */
  goodSince?: number;
  /** It was cut for so long that the sender was told. */
  lost: boolean;
}

/** An answer that is lost is known to be so after this time, milliseconds. */
const RESET_MS = 2_000;
/** Latency of a link that is well. */
const LAN_MS = { min: 0.1, max: 2 };

/** See the module's text. */
export class FaultyNetwork {
  readonly processes = new Map<NodeId, FaultyProcess>();
  readonly #sim: Simulation;
  /** By the names of both machines: `from to`. */
  readonly #wires = new Map<string, Wire>();

  constructor(sim: Simulation) {
    this.#sim = sim;
  }

  /** Starts a process, and gives the transport of its actor system. */
  start(process: FaultyProcess): Transport {
    this.processes.set(process.id, process);
    return {
      node: process.id,
      start: (handlers) => void (process.handlers = handlers),
      send: (to, envelope) => this.#send(process, to, envelope),
      close: () => Promise.resolve(),
    };
  }

  /** The process ends; those that it has links to learn that their connections broke. */
  crash(id: NodeId): void {
    const process = this.processes.get(id)!;
    process.dead = true;
    for (const other of this.processes.values()) {
      if (other.dead || !this.#whole(process.machine, other.machine)) continue;
      this.#sim.clock.after(this.#delay(process.machine, other.machine), () => {
        other.run(() => other.onBroke(id));
      });
    }
  }

  /** The machine is switched off: nobody is told. */
  switchOff(id: NodeId): void {
    const process = this.processes.get(id)!;
    process.dead = true;
    process.off = true;
  }

  /** Whether a connection to the process is refused, as its machine says to `from`. */
  async refuses(from: FaultyProcess, id: NodeId, deadlineMs: number): Promise<boolean> {
    const process = this.processes.get(id)!;
    const reachable = !process.off && this.#whole(from.machine, process.machine) &&
      this.#whole(process.machine, from.machine);
    const ms = reachable ? 2 * this.#delay(from.machine, process.machine) : deadlineMs;
    await new Promise<void>((resolve) => void from.clock.after(Math.min(ms, deadlineMs), resolve));
    return reachable && ms < deadlineMs && process.dead;
  }

  /** Cuts the way from one machine to another. */
  cut(from: string, to: string): void {
    const wire = this.#wire(from, to);
    if (wire.wholeSince === undefined) return;
    wire.wholeSince = undefined;
    const cut = ++wire.cuts;
    this.#sim.clock.after(LOST_MS, () => {
      if (wire.wholeSince !== undefined || wire.cuts !== cut) return;
      wire.lost = true;
      this.#drop(from, to, wire);
    });
  }

  /** Undoes {@linkcode FaultyNetwork.cut}. */
  heal(from: string, to: string): void {
    const wire = this.#wire(from, to);
    if (wire.wholeSince !== undefined) return;
    wire.wholeSince = this.#sim.clock.now();
    if (wire.lost) this.#between(to, from, (b, a) => b.handlers?.peerLost(a.id, "reset", []));
    wire.lost = false;
    for (const { envelope, sender, receiver } of wire.queue.splice(0)) {
      this.#carry(wire, sender, receiver, envelope);
    }
  }

  /** Makes the way between two machines slow or lossy. */
  set(from: string, to: string, how: Partial<Pick<Wire, "latencyMs" | "loss">>): void {
    Object.assign(this.#wire(from, to), { ...how, goodSince: undefined });
  }

  /** All ways are whole, quick and lossless from now on, and all processes go on. */
  mend(): void {
    for (const [pair, wire] of this.#wires) {
      const [from, to] = pair.split(" ");
      this.heal(from, to);
      Object.assign(wire, { latencyMs: LAN_MS, loss: 0, goodSince: this.#sim.clock.now() });
    }
    for (const process of this.processes.values()) process.thaw();
  }

  /**
   * Virtual milliseconds for which `observer` could have reached a process: that one was sound, and
   * the way there and back whole. Whether the observer itself stood still does not matter.
   */
  reachableMs(observer: FaultyProcess, process: FaultyProcess): number {
    const ways = this.#ways(observer, process);
    if (process.dead || process.frozen) return 0;
    if (ways.some(({ wholeSince }) => wholeSince === undefined)) return 0;
    return this.#sim.clock.now() -
      Math.max(process.soundSince, ...ways.map(({ wholeSince }) => wholeSince!));
  }

  /** As `reachableMs`, and neither way was slow or lossy. */
  wellReachableMs(observer: FaultyProcess, process: FaultyProcess): number {
    const good = Math.max(...this.#ways(observer, process).map((w) => w.goodSince ?? Infinity));
    return Math.min(this.reachableMs(observer, process), this.#sim.clock.now() - good);
  }

  #ways(a: FaultyProcess, b: FaultyProcess): Wire[] {
    return [this.#wire(a.machine, b.machine), this.#wire(b.machine, a.machine)];
  }

  #wire(from: string, to: string): Wire {
    const key = `${from} ${to}`;
    let wire = this.#wires.get(key);
    if (!wire) {
      wire = {
        queue: [],
        wholeSince: 0,
        cuts: 0,
        latencyMs: LAN_MS,
        loss: 0,
        lastAt: new Map(),
        goodSince: 0,
        lost: false,
      };
      this.#wires.set(key, wire);
    }
    return wire;
  }

  #whole(from: string, to: string): boolean {
    return this.#wire(from, to).wholeSince !== undefined;
  }

  #delay(from: string, to: string): number {
    const { min, max } = this.#wire(from, to).latencyMs;
    return min + (max - min) * this.#sim.random();
  }

  #send(sender: FaultyProcess, to: NodeId, envelope: Envelope): Promise<void> {
    const receiver = this.processes.get(to);
    if (!receiver || receiver === sender) return Promise.reject(gone("unknown_peer", to));
    if (sender.dead) return Promise.resolve();
    const wire = this.#wire(sender.machine, receiver.machine);
    if (wire.lost) return Promise.reject(gone("peer_lost", to));
    if (envelope.kind === "reply" && this.#sim.random() < wire.loss) {
      // The mailbox of the sender has given the link up, which that of the receiver learns.
      sender.run(() => sender.handlers?.peerLost(to, "unreachable", [envelope]));
      const told = () => receiver.handlers?.peerLost(sender.id, "reset", []);
      this.#sim.clock.after(RESET_MS, () => receiver.run(told));
      return Promise.resolve();
    }
    if (wire.wholeSince === undefined) {
      wire.queue.push({ envelope, sender, receiver });
    } else this.#carry(wire, sender, receiver, envelope);
    return Promise.resolve();
  }

  #carry(wire: Wire, sender: FaultyProcess, receiver: FaultyProcess, envelope: Envelope): void {
    const now = this.#sim.clock.now();
    const { min, max } = wire.latencyMs;
    const at = Math.max(
      wire.lastAt.get(sender.id) ?? 0,
      now + min + (max - min) * this.#sim.random(),
    );
    wire.lastAt.set(sender.id, at);
    const receive = () => {
      receiver.heardAt.set(sender.id, receiver.clock.now());
      receiver.handlers?.receive(sender.id, envelope);
    };
    this.#sim.clock.after(at - now, () => receiver.run(receive, sender.id));
  }

  /** What waits on a way that was cut for too long is lost, and its senders learn it. */
  #drop(from: string, to: string, wire: Wire): void {
    const waiting = wire.queue.splice(0);
    this.#between(from, to, (sender, receiver) => {
      const undelivered = waiting.filter((w) => w.sender === sender && w.receiver === receiver)
        .map((w) => w.envelope);
      sender.handlers?.peerLost(receiver.id, "unreachable", undelivered);
    });
  }

  /** Does something with each process of a machine and each of another, in the former's turn. */
  #between(
    from: string,
    to: string,
    tell: (sender: FaultyProcess, receiver: FaultyProcess) => void,
  ): void {
    for (const sender of this.processes.values()) {
      if (sender.machine !== from || sender.dead) continue;
      for (const receiver of this.processes.values()) {
        if (receiver.machine === to) sender.run(() => tell(sender, receiver));
      }
    }
  }
}

const gone = (code: string, node: NodeId) =>
  new OrreryError({ group: "mailbox", code, message: `node ${node}: ${code}` });
