/**
 * Nodes without actors, which share a registry in an etcd that they run themselves.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type EtcdSeats, type Registry, registryError, systemClock } from "../../actors/mod.ts";
import {
  type AuthorityKey,
  type CoordinateOptions,
  ManagedRegistry,
} from "../../runtime/etcd/mod.ts";
import type { EtcdClient } from "../../runtime/registry/mod.ts";
import { createKey, signAuthority } from "../../runtime/trust/sign.ts";

/** Milliseconds for anything that is waited for. */
const PATIENCE_MS = 30_000;
/** Milliseconds between two offers of a node. */
const OFFER_MS = 100;

/** SHA-256 of the key that the node of this name might have. */
const identityOf = (name: string) => createHash("sha256").update(name).digest("hex");

/** A node, and its registry once it is a server. */
export interface ManagedNode {
  managed: ManagedRegistry;
  registry?: Registry;
}

/** See the module's text. Nodes have one letter as their name. */
export class ManagedEtcdWorld implements AsyncDisposable {
  readonly nodes = new Map<string, ManagedNode>();
  /** Names of nodes that were removed. */
  readonly removed = new Set<string>();
  #coordinator: { seats: EtcdSeats; close(): Promise<void> } | undefined;
  /** Called at each answer to a node. */
  readonly #answered = new Map<string, () => void>();

  private constructor(readonly folder: string, readonly authority: AuthorityKey) {}

  /** A world without nodes. */
  static async create(): Promise<ManagedEtcdWorld> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-managed-" });
    const key = await createKey();
    return new ManagedEtcdWorld(folder, { key: key.pem, certificate: await signAuthority(key) });
  }

  /** Where a node keeps its files. */
  data(name: string): string {
    return join(this.folder, name);
  }

  /**
   * A node of this name, the one that it was before if it crashed. It asks the coordinator for a
   * place; a server opens the registry first.
   */
  async open(name: string, { first = false } = {}): Promise<ManagedNode> {
    const managed = await ManagedRegistry.open({
      data: this.data(name),
      node: `${name}:0:0001`,
      identity: identityOf(name),
      host: "127.0.0.1",
      advertise: () => "127.0.0.1",
      mailboxPort: 0,
    });
    const node: ManagedNode = { managed };
    this.nodes.set(name, node);
    if (first || managed.server) {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      node.registry = await managed.start({ authority: this.authority, signal });
    }
    const seats = () => {
      if (!this.#coordinator) throw registryError("unavailable", "nobody coordinates");
      return this.#coordinator.seats;
    };
    managed.offers({
      count: async () => ({ voters: await Promise.resolve(seats().voters), wanted: 3 }),
      ask: async (offer) => {
        const answer = await seats().offer(offer, `${name}:0:0001`);
        this.#answered.get(name)?.();
        return answer;
      },
      onServer: (registry) => Promise.resolve(void (node.registry = registry)),
      offerMs: OFFER_MS,
    });
    return node;
  }

  /** Makes this server the coordinator. */
  async coordinate(
    name: string,
    silence: Pick<CoordinateOptions, "goneMs" | "freshMs"> = {},
  ): Promise<void> {
    await this.#coordinator?.close();
    this.#coordinator = undefined;
    const identities = () =>
      Promise.resolve(
        [..."abcd"].map((name) => ({
          ...{ identity: identityOf(name), node: `${name}:0:0001`, lives: [], admitted_ms: 0 },
          removed_ms: this.removed.has(name) ? 1 : undefined,
        })),
      );
    const { managed } = this.nodes.get(name)!;
    this.#coordinator = await managed.coordinate({
      ...{ clock: systemClock, identities, lookMs: OFFER_MS },
      ...silence,
    });
  }

  /** Ends a node as a crash of its machine would; {@linkcode open} brings it back. */
  async crash(name: string): Promise<void> {
    const { managed } = this.nodes.get(name)!;
    this.nodes.delete(name);
    if (managed.pid !== undefined) Deno.kill(managed.pid, "SIGKILL");
    await managed.close();
  }

  /** The members in words, such as `a`, `b (learner)`, sorted; `own`: asked at this node's alone. */
  async members(at: string, { own = false } = {}): Promise<string[]> {
    const client = await this.nodes.get(at)!.managed.client({ own });
    try {
      return (await listMembers(client)).sort();
    } finally {
      client.close();
    }
  }

  /** Waits until the members are these, in the words of {@linkcode members}. */
  async until(at: string, expected: string[]): Promise<void> {
    let found: string[] = [];
    await this.#patiently(async () => {
      found = await this.members(at).catch(() => found);
      return found.join() === expected.join();
    }, () => `the members are ${found.join()}, not ${expected.join()}`);
  }

  /** Waits until this node is a server. */
  async serves(name: string): Promise<Registry> {
    const node = this.nodes.get(name)!;
    await this.#patiently(() => Promise.resolve(!!node.registry), () => `${name} is no server`);
    return node.registry!;
  }

  /** Waits until this node's own member answers. */
  answers(name: string): Promise<void> {
    const asked = async () => await this.members(name, { own: true }).catch(() => []);
    return this.#patiently(
      async () => (await asked()).length > 0,
      () => `the member of ${name} does not answer`,
    );
  }

  /** Waits until this node was answered once, and has done what it was told. */
  async heard(name: string): Promise<void> {
    for (let i = 0; i < 2; i++) {
      await new Promise<void>((resolve) => this.#answered.set(name, resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#coordinator?.close();
    const nodes = [...this.nodes.values()].map(({ managed }) => managed);
    // Nobody is left to whom a leader could hand over: asking them to end would only take time.
    for (const { pid } of nodes) if (pid !== undefined) Deno.kill(pid, "SIGKILL");
    await Promise.all(nodes.map((managed) => managed.close()));
    await Deno.remove(this.folder, { recursive: true });
  }

  async #patiently(done: () => Promise<boolean>, why: () => string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!await done()) {
      if (performance.now() > end) throw new Error(why());
      await sleep(20);
    }
  }
}

const schema = z.object({
  members: z.array(
    z.object({ name: z.string().default("?"), isLearner: z.boolean().default(false) }),
  ),
});

/** What an etcd says about its members, in words. Throws unless it answers, and has a leader. */
export async function listMembers(client: EtcdClient): Promise<string[]> {
  const options = { schema, signal: AbortSignal.timeout(3_000) };
  await client.call("/v3/kv/range", { key: "AA==" }, { ...options, schema: z.unknown() });
  const { members } = await client.call("/v3/cluster/member/list", {}, options);
  return members.map(({ name, isLearner }) => name[0] + (isLearner ? " (learner)" : ""));
}
