/**
 * Where custom actors run: on which host each of them costs a request the least time, among those
 * that have the memory, the cores and the trust that it needs.
 *
 * What counts is seconds a request: its messages to and fro over the links, and what the cores that
 * it keeps busy take from stages on the same host. The search is exact (branch and bound) within a
 * number of steps that some ten actors on some ten hosts do not reach; beyond that, the best
 * placement so far is taken. Equal inputs give equal plans.
 *
 * @module
 */
import { duration, size } from "./numbers.ts";

/** Ends of links that are no actors: where requests come in, and where the model takes them. */
export const ACTOR_ENDS = ["api", "model"] as const;

/** What a custom actor needs. */
export interface ActorNeeds {
  /** Name in the graph. */
  readonly name: string;
  /** Bytes of memory that its activations take together. */
  readonly memoryBytes: number;
  /** Cores that it keeps busy while requests run. */
  readonly cores: number;
  /** Must its host be trusted? */
  readonly trusted: boolean;
  /** With whom it exchanges messages: `api`, `model`, or another actor's name. */
  readonly links: readonly { readonly to: string; readonly perRequest: number }[];
  /** The only host that it may have, and why; undefined: any. */
  readonly only?: { readonly host: string; readonly why: string };
  /** Hosts that it cannot have, and why. @default none */
  readonly unfit?: Readonly<Record<string, string>>;
  /** Where it runs now; undefined: nowhere. */
  readonly current?: string;
}

/** A node that may host custom actors. */
export interface ActorHost {
  /** Id of the node, or name in a file. */
  readonly name: string;
  /** Bytes of memory that stages leave. */
  readonly memoryBytes: number;
  /** Cores of its machine. */
  readonly cores: number;
  /** May it host actors that must be on a trusted node? */
  readonly trusted: boolean;
  /** Seconds that its stages compute for a request; 0: it has none. */
  readonly stageSeconds: number;
}

/** Everything that a placement of actors depends on. */
export interface ActorPlanInput {
  /** The actors of the graph. */
  readonly actors: readonly ActorNeeds[];
  /** The nodes that may host them. */
  readonly hosts: readonly ActorHost[];
  /** Latency of a message one way, seconds, by index in `hosts`. (hosts, hosts) */
  readonly seconds: readonly (readonly number[])[];
  /** Name of the host at whose API requests come in. */
  readonly api: string;
  /** Name of the host that takes requests to the model: that of stage 0. */
  readonly model: string;
}

/** Where a custom actor runs. The names are those of the JSON. */
export interface PlacedActor {
  /** The actor's name. */
  readonly actor: string;
  /** Its host; null: no host has what it needs. */
  readonly host: string | null;
  /** The reason, with its figures. */
  readonly why: string;
}

/** Steps of the search after which the best placement so far is taken. */
const MOST_STEPS = 200_000;
/** Seconds a request that a move must save. */
const MOVE_SECONDS = 0.001;

/** Places all actors; see the module's text. */
export function placeActors(input: ActorPlanInput): PlacedActor[] {
  const problem = new ActorProblem(input);
  const at = problem.solve();
  return input.actors.map((actor, i) => ({
    actor: actor.name,
    host: at[i] < 0 ? null : input.hosts[at[i]].name,
    why: problem.why(i, at),
  }));
}

class ActorProblem {
  readonly #input: ActorPlanInput;
  /** Seconds a request of each actor on each host, but for links to other actors. */
  readonly #own: number[][];
  /** Messages a request between actors, by their indices. */
  readonly #between: number[][];

  constructor(input: ActorPlanInput) {
    this.#input = input;
    const { actors, hosts } = input;
    this.#own = actors.map((actor) => hosts.map((_, h) => this.#ownSeconds(actor, h)));
    this.#between = actors.map(() => actors.map(() => 0));
    for (const [i, { links }] of actors.entries()) {
      for (const { to, perRequest } of links) {
        const j = actors.findIndex((a) => a.name === to);
        if (j < 0 || j === i) continue;
        this.#between[i][j] += perRequest;
        this.#between[j][i] += perRequest;
      }
    }
  }

  /** The host's index for each actor; -1: none has what it needs. */
  solve(): number[] {
    const { actors, hosts } = this.#input;
    const fits = actors.map((_, i) => hosts.flatMap((_, h) => this.#lacks(i, h) ? [] : [h]));
    // Those with the fewest hosts first, then the largest: what is left is easier.
    const order = [...actors.keys()].sort((a, b) =>
      fits[a].length - fits[b].length || actors[b].memoryBytes - actors[a].memoryBytes || a - b
    );
    const least = order.map((i) => Math.min(...fits[i].map((h) => this.#own[i][h]), Infinity))
      .map((seconds) => seconds === Infinity ? 0 : seconds);
    const rest = order.map((_, k) => least.slice(k + 1).reduce((a, b) => a + b, 0));
    const memory = hosts.map((h) => h.memoryBytes);
    const cores = hosts.map((h) => h.cores);
    const at = actors.map(() => -1);
    let best = { left: Infinity, seconds: Infinity, at: [...at] };
    let steps = 0;
    const visit = (k: number, seconds: number, left: number): void => {
      if (k === order.length) {
        if (left < best.left || (left === best.left && seconds < best.seconds - 1e-12)) {
          best = { left, seconds, at: [...at] };
        }
        return;
      }
      const i = order[k];
      const options = fits[i].filter((h) =>
        memory[h] >= actors[i].memoryBytes && cores[h] >= actors[i].cores
      ).map((h) => ({ h, more: this.#secondsAt(i, h, at) }))
        .sort((a, b) => a.more - b.more || a.h - b.h);
      for (const { h, more } of options) {
        if (++steps > MOST_STEPS) return;
        const bound = seconds + more + rest[k];
        if (left > best.left || (left === best.left && bound >= best.seconds - 1e-12)) continue;
        memory[h] -= actors[i].memoryBytes;
        cores[h] -= actors[i].cores;
        at[i] = h;
        visit(k + 1, seconds + more, left);
        at[i] = -1;
        memory[h] += actors[i].memoryBytes;
        cores[h] += actors[i].cores;
      }
      // An actor without a host answers nobody: as few as possible.
      if (left + 1 <= best.left && steps <= MOST_STEPS) visit(k + 1, seconds, left + 1);
    };
    visit(0, 0, 0);
    return best.at;
  }

  /** Why an actor is where it is, the others being where they are. */
  why(i: number, at: readonly number[]): string {
    const { actors, hosts } = this.#input;
    const { only, current } = actors[i];
    const others = hosts.map((host, h) => ({
      host,
      h,
      lacks: this.#lacks(i, h) ?? this.#room(i, h, at),
      seconds: this.#secondsAt(i, h, at),
    })).filter(({ h }) => h !== at[i]);
    const lacking = others.flatMap(({ host, lacks }) => lacks ? [`${host.name} ${lacks}`] : []);
    if (at[i] < 0) return `no host has what it needs: ${lacking.join("; ") || "there is none"}`;
    if (only) return only.why;
    const here = `${this.#costText(i, at[i], at)} here`;
    const next = others.filter(({ lacks }) => !lacks).sort((a, b) => a.seconds - b.seconds)[0];
    if (!next) {
      return lacking.length > 0
        ? `${here}; no other host has what it needs: ${lacking.join("; ")}`
        : `${here}; there is no other host`;
    }
    const more = next.seconds - this.#secondsAt(i, at[i], at);
    const stays = current === hosts[at[i]].name ? "runs here already" : undefined;
    const than = more > 1e-9
      ? `${next.host.name} would take ${duration(more)} more a request`
      : `${next.host.name} would do as well`;
    return [here, stays, than].filter((part) => part).join("; ");
  }

  /** Seconds a request of an actor on a host, with the others where they are. */
  #secondsAt(i: number, h: number, at: readonly number[]): number {
    const { seconds } = this.#input;
    let sum = this.#own[i][h];
    for (const [j, messages] of this.#between[i].entries()) {
      if (messages > 0 && at[j] >= 0) sum += messages * (seconds[h][at[j]] + seconds[at[j]][h]);
    }
    return sum;
  }

  #ownSeconds(actor: ActorNeeds, h: number): number {
    const { hosts } = this.#input;
    const links = actor.links.map(({ to, perRequest }) => perRequest * this.#roundTrip(to, h));
    const moved = actor.current !== undefined && actor.current !== hosts[h].name;
    return links.reduce((a, b) => a + b, 0) + this.#taken(actor, h) + (moved ? MOVE_SECONDS : 0);
  }

  /** Seconds of a request that the actor's cores take from the stages of a host. */
  #taken({ cores }: ActorNeeds, h: number): number {
    const host = this.#input.hosts[h];
    return Math.min(1, cores / Math.max(1, host.cores)) * host.stageSeconds;
  }

  /** Seconds from a host to an end that is no actor, and back; 0 for an actor. */
  #roundTrip(to: string, h: number): number {
    const { hosts, seconds, api, model } = this.#input;
    const end = to === "api" ? api : to === "model" ? model : undefined;
    const e = hosts.findIndex(({ name }) => name === end);
    return e < 0 ? 0 : seconds[h][e] + seconds[e][h];
  }

  /** What a host lacks by itself; undefined: nothing. */
  #lacks(i: number, h: number): string | undefined {
    const { name, memoryBytes, cores, trusted, only, unfit = {} } = this.#input.actors[i];
    const host = this.#input.hosts[h];
    if (only && only.host !== host.name) return `is not ${only.host}`;
    if (Object.hasOwn(unfit, host.name)) return unfit[host.name];
    if (trusted && !host.trusted) return "is not trusted";
    if (host.cores < cores) return `has ${host.cores} core(s), ${name} needs ${cores}`;
    if (host.memoryBytes < memoryBytes) {
      return `lacks ${size(memoryBytes - Math.max(0, host.memoryBytes))}`;
    }
  }

  /** What a host lacks beside the actors that it has; undefined: nothing. */
  #room(i: number, h: number, at: readonly number[]): string | undefined {
    const { actors, hosts } = this.#input;
    const beside = actors.filter((_, j) => j !== i && at[j] === h);
    const memory = beside.reduce((sum, a) => sum + a.memoryBytes, actors[i].memoryBytes);
    const cores = beside.reduce((sum, a) => sum + a.cores, actors[i].cores);
    const names = beside.map(({ name }) => name).join(", ");
    if (memory > hosts[h].memoryBytes) {
      return `lacks ${size(memory - hosts[h].memoryBytes)} beside ${names}`;
    }
    if (cores > hosts[h].cores) return `lacks cores beside ${names}`;
  }

  #costText(i: number, h: number, at: readonly number[]): string {
    const actor = this.#input.actors[i];
    const taken = this.#taken(actor, h);
    const moved = actor.current !== undefined && actor.current !== this.#input.hosts[h].name;
    const links = this.#secondsAt(i, h, at) - taken - (moved ? MOVE_SECONDS : 0);
    const ends = actor.links.map(({ to }) => to).join(", ");
    const messages = ends
      ? `${duration(links)} a request for messages with ${ends}`
      : "no messages";
    return taken > 0 ? `${messages} and ${duration(taken)} of stages' time` : messages;
  }
}
