/**
 * Which of this node's arbiters runs a request.
 *
 * The requests of an arbiter share an arena, so that their rows travel in one frame. But a row
 * attends over all slots between the first and the last that its frame needs, those of other
 * requests included: with 32 requests most of the time would go into slots that are masked. So on
 * one stage there is an arbiter, with an arena of its own, for about {@linkcode SHARED} requests.
 * Their frames take turns at the stage. Over several stages all requests share
 * one arbiter, because it must know all lanes to fill the pipeline with few large frames.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  arbiterAddress,
  type ArbiterStats,
  type Deployment,
  type FrameTrace,
  hasCode,
  keyAt,
} from "../../actors/mod.ts";

/** Requests that share an arena. */
const SHARED = 8;
/**
 * Requests beyond that before another arena is begun: a few in an arena of their own would travel in
 * small frames, which cost more than the slots of others.
 */
const SPARE = 4;
/** Requests that share an arena at most because of rows that they find there. */
const MOST_SHARED = 2 * SHARED;
/** Rows of its prompt that a request must find in an arena to be drawn there. */
const WORTH_ROWS = 32;
/** Milliseconds in which an arbiter must say what a request would find. */
const LOOK_MS = 250;
/** Milliseconds in which an arbiter must answer with its frames. */
const TRACES_MS = 5_000;
/** Milliseconds in which an arbiter must answer with its figures. */
const STATS_MS = 1_000;
/** Milliseconds without a request after which a further arbiter frees its arena. */
const IDLE_MS = 30_000;

/** The place of a request at an arbiter, given back when it is disposed of. */
export interface ArbiterPlace extends Disposable {
  /** Key of the arbiter. */
  key: string;
}

/** See the module's text. */
export class Arbiters {
  readonly #system: Pick<ActorSystem, "at" | "node">;
  /** Requests at each arbiter that was used, by deployment and key. */
  readonly #requests = new Map<string, Map<string, number>>();

  constructor(system: Pick<ActorSystem, "at" | "node">) {
    this.#system = system;
  }

  /** Keys of the arbiters that the requests of this deployment have used, the first one's first. */
  keys(deployment: string): string[] {
    return [...this.#requests.get(deployment)?.keys() ?? []];
  }

  /** The frames that the arbiters of this deployment have sent, oldest answer first. */
  async traces(deployment: string): Promise<FrameTrace[]> {
    const traces = await Promise.all(
      this.keys(deployment).map((key) =>
        this.#system.at(arbiterActor, arbiterAddress(deployment, key))
          .traces({}, { deadlineMs: TRACES_MS })
          .catch((error) => {
            if (hasCode(error, "not_active")) return []; // it has no request, and its arena is freed
            throw error;
          })
      ),
    );
    return traces.flat().sort((a, b) => a.answered - b.answered);
  }

  /** The figures of the arbiters of this deployment that are active and not too busy to tell. */
  async stats(deployment: string): Promise<ArbiterStats[]> {
    const all = await Promise.allSettled(
      this.keys(deployment).map((key) =>
        this.#system.at(arbiterActor, arbiterAddress(deployment, key))
          .stats({}, { deadlineMs: STATS_MS })
      ),
    );
    return all.flatMap((result) => result.status === "fulfilled" ? result.value : []);
  }

  /** Forgets a deployment that has no requests any more. */
  forget(deployment: string): void {
    this.#requests.delete(deployment);
  }

  /** Milliseconds for which the arbiter with this key stays without a request. @default its own */
  idleMs(key: string): number | undefined {
    return key === this.#system.node ? undefined : IDLE_MS;
  }

  /** A place for a request with this prompt (token ids). */
  async take(
    { id, stages }: Pick<Deployment, "id" | "stages">,
    prompt: Int32Array<ArrayBuffer>,
  ): Promise<ArbiterPlace> {
    let requests = this.#requests.get(id);
    if (!requests) this.#requests.set(id, requests = new Map([[this.#system.node, 0]]));
    const found = stages.length === 1 && requests.size > 1
      ? await this.#found(id, prompt)
      : new Map<string, number>();
    const all = requests.values().reduce((sum, count) => sum + count, 1);
    const wanted = stages.length === 1 ? Math.max(1, Math.ceil((all - SPARE) / SHARED)) : 1;
    while (requests.size < wanted) requests.set(keyAt(this.#system.node, String(requests.size)), 0);
    const key = withMost(requests, found) ?? leastOf([...requests].slice(0, wanted));
    requests.set(key, requests.get(key)! + 1);
    let open = true;
    return {
      key,
      [Symbol.dispose]() {
        if (open) requests.set(key, requests.get(key)! - 1);
        open = false;
      },
    };
  }

  /** Rows of a prompt that each arbiter has in its cache, by key. */
  async #found(id: string, prompt: Int32Array<ArrayBuffer>): Promise<Map<string, number>> {
    const found = await Promise.all(
      this.keys(id).map(async (key): Promise<[string, number]> => {
        const arbiter = this.#system.at(arbiterActor, arbiterAddress(id, key));
        try {
          return [key, (await arbiter.outlook({ prompt }, { deadlineMs: LOOK_MS })).reused];
        } catch {
          return [key, 0]; // it has no arena, or is too busy to say
        }
      }),
    );
    return new Map(found);
  }
}

/** The arbiter that has most of a prompt, where that is much and it has room; else undefined. */
function withMost(
  requests: ReadonlyMap<string, number>,
  found: ReadonlyMap<string, number>,
): string | undefined {
  let best: string | undefined;
  let most = WORTH_ROWS - 1;
  for (const [key, rows] of found) {
    if (rows > most && requests.get(key)! < MOST_SHARED) [best, most] = [key, rows];
  }
  return best;
}

/** Key of the arbiter with the fewest requests; of several the first one. */
const leastOf = (requests: [key: string, count: number][]): string =>
  requests.reduce((a, b) => b[1] < a[1] ? b : a)[0];
