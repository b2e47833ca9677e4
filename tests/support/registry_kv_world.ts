/**
 * Registries in Deno KV, with replies that get lost and clocks that tests move.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock, Registry } from "../../actors/mod.ts";
import { ChunkedRegistry } from "../../runtime/registry/chunked_registry.ts";
import type { KvHandle } from "../../runtime/registry/kv_layout.ts";
import { KvStore } from "../../runtime/registry/kv_store.ts";
import type { RegistryWorld } from "./registry_world.ts";

/** A clock that moves when it is told to. */
export class ManualClock implements Clock {
  #now: number;
  readonly #timers = new Set<{ at: number; fn: () => void }>();

  /** `start` is what it shows first, in milliseconds. */
  constructor(start = 0) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + ms, fn };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves on, and calls what is due. */
  pass(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.at - b.at)) {
      if (timer.at <= this.#now && this.#timers.delete(timer)) timer.fn();
    }
  }
}

/** Counts the replies that are to be lost, and those that were; and requests that are held up. */
export class Losses {
  due = 0;
  lost = 0;
  /** So many of the next requests are held up, by proxies that can. */
  holding = 0;
  /** Calling one lets a request go that was held up. */
  readonly held: (() => Promise<void>)[] = [];

  /** Is this one to be lost? */
  take(): boolean {
    if (this.due === 0) return false;
    this.due--;
    this.lost++;
    return true;
  }
}

/** The database, behind a line on which replies to commits get lost. */
export function lossyKv(kv: Deno.Kv, losses: Losses): KvHandle {
  const lossy = (operation: Deno.AtomicOperation): Deno.AtomicOperation =>
    new Proxy(operation, {
      get(target, name) {
        const member = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          const result = member.apply(target, args);
          if (name === "commit") {
            const losing = losses.take();
            return result.then((value: unknown) => {
              if (losing) throw new Error("the line broke");
              return value;
            });
          }
          return result === target ? lossy(target) : result;
        };
      },
    });
  return {
    get: kv.get.bind(kv),
    getMany: kv.getMany.bind(kv),
    list: kv.list.bind(kv),
    watch: kv.watch.bind(kv),
    close: kv.close.bind(kv),
    atomic: () => lossy(kv.atomic()),
  };
}

/** How a {@linkcode kvWorld} is made. */
export interface KvWorldOptions {
  /** One client judges leases in memory, and all use it; else each has a handle of its own. */
  alone: boolean;
  /** A server over the database. @default none: a file in a temporary folder */
  server?: KvServer;
}

/** A server whose answers get lost on the way. */
export interface KvServer extends AsyncDisposable {
  url: string;
  losses: Losses;
  restart(): Promise<void>;
}

/** A world over Deno KV. Clients that are not alone have clocks that differ by hours. */
export async function kvWorld({ alone, server }: KvWorldOptions): Promise<RegistryWorld> {
  const folder = await Deno.makeTempDir({ prefix: "orrery-registry-" });
  const losses = server?.losses ?? new Losses();
  const clocks: ManualClock[] = [];
  const open: Registry[] = [];
  let shared: Registry | undefined;
  const add = async () => {
    const clock = new ManualClock(clocks.length * 3_600_000);
    const opened = await Deno.openKv(server?.url ?? `${folder}/registry.sqlite`);
    const kv = server ? opened : lossyKv(opened, losses);
    const registry = new ChunkedRegistry(new KvStore(kv, { alone, clock }));
    clocks.push(clock);
    open.push(registry);
    return registry;
  };
  const closeAll = async () => {
    for (const registry of open.splice(0)) await registry.close();
    shared = undefined;
  };
  return {
    shortestLeaseMs: 1_000,
    clientsSurvive: server !== undefined,
    client: async () => alone ? shared ??= await add() : await add(),
    async pass(ms) {
      for (let left = ms; left > 0; left -= 50) {
        for (const clock of clocks) clock.pass(Math.min(50, left));
        await sleep(2); // whoever looks at the records does so now
      }
    },
    loseReplies: (count) => losses.due = count,
    get lost() {
      return losses.lost;
    },
    restart: server ? () => server.restart() : closeAll,
    async [Symbol.asyncDispose]() {
      await closeAll();
      if (server) await sleep(100); // reads for which nobody waits any more come back
      await server?.[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}
