/**
 * Nodes without actors, of which each can run a member of etcd, and one coordinates.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type Registry, systemClock } from "../../actors/mod.ts";
import { EtcdMembers, LocalMember } from "../../runtime/etcd/mod.ts";
import { EtcdClient, EtcdRegistry } from "../../runtime/registry/mod.ts";
import { signRegistryServer } from "../../runtime/trust/mod.ts";
import { createKey } from "../../runtime/trust/sign.ts";

/** Milliseconds for anything that is waited for. */
const PATIENCE_MS = 30_000;
/** Milliseconds between two offers of a node. */
const OFFER_MS = 100;

/** See the module's text. */
export class ManagedEtcdWorld implements AsyncDisposable {
  readonly nodes = new Map<string, LocalMember>();
  #coordinator: { members: EtcdMembers; client: EtcdClient } | undefined;
  readonly #ended = new AbortController();
  readonly #registries: Registry[] = [];
  readonly #rounds: (() => void)[] = [];
  #offers: Promise<void> = Promise.resolve();

  private constructor(
    readonly folder: string,
    readonly authorityKey: string,
  ) {}

  static async create(): Promise<ManagedEtcdWorld> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-managed-" });
    return new ManagedEtcdWorld(folder, (await createKey()).pem);
  }

  readonly sign = (hosts: string[]) => signRegistryServer(this.authorityKey, { hosts });

  /** A node of this name; the one that it was before, if it was closed. */
  async open(name: string, { signs = false } = {}): Promise<LocalMember> {
    const member = await LocalMember.open({
      folder: join(this.folder, "etcd"),
      name,
      host: "127.0.0.1",
      advertise: "127.0.0.1",
      cluster: "test",
      sign: signs ? this.sign : undefined,
    });
    this.nodes.set(name, member);
    return member;
  }

  /** Makes this node, which has a member, the coordinator; nodes send their offers from now on. */
  async coordinate(
    name: string,
    silence: { goneMs?: number; freshMs?: number } = {},
  ): Promise<void> {
    await this.#coordinator?.members.close();
    this.#coordinator?.client.close();
    const client = await EtcdClient.open(this.nodes.get(name)!.address);
    const { sign } = this;
    const members = new EtcdMembers({ client, sign, clock: systemClock, ...silence });
    const first = !this.#coordinator;
    this.#coordinator = { members, client };
    if (first) this.#offers = this.#sendOffers();
  }

  /** Tells the coordinator that this node was removed. */
  remove(name: string): void {
    this.#coordinator!.members.remove(name);
  }

  /** Ends a node as a crash of its machine would; {@linkcode open} brings it back. */
  async crash(name: string): Promise<void> {
    const member = this.nodes.get(name)!;
    this.nodes.delete(name);
    if (member.pid !== undefined) Deno.kill(member.pid, "SIGKILL");
    await member.close();
  }

  /** The registry as this node sees it. */
  async registry(name: string): Promise<EtcdRegistry> {
    const registry = await EtcdRegistry.open(this.nodes.get(name)!.address);
    this.#registries.push(registry);
    return registry;
  }

  /**
   * The members in words, such as `a`, `b (learner)`, sorted; asked at this node, with `own` at no
   * other one.
   */
  async members(at: string, { own = false } = {}): Promise<string[]> {
    const { address } = this.nodes.get(at)!;
    const endpoints = own ? address.endpoints.slice(0, 1) : address.endpoints;
    const client = await EtcdClient.open({ ...address, endpoints });
    try {
      return (await listMembers(client)).sort();
    } finally {
      client.close();
    }
  }

  /** Waits until every node has sent an offer and taken the answer. */
  async heard(): Promise<void> {
    for (let i = 0; i < 2; i++) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#rounds.push(resolve);
      await promise;
    }
  }

  /** Waits until this node's own member answers. */
  async answers(name: string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!await this.members(name, { own: true }).catch(() => undefined)) {
      if (performance.now() > end) throw new Error(`the member of ${name} does not answer`);
      await sleep(20);
    }
  }

  /** Waits until the members are these, in the words of {@linkcode members}. */
  async until(at: string, expected: string[]): Promise<void> {
    let found: string[] = [];
    const end = performance.now() + PATIENCE_MS;
    do {
      await sleep(50);
      found = await this.members(at).catch(() => found);
      if (found.join() === expected.join()) return;
    } while (performance.now() < end);
    throw new Error(`the members are ${found.join()}, not ${expected.join()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#offers;
    for (const registry of this.#registries) await registry.close();
    await this.#coordinator?.members.close();
    this.#coordinator?.client.close();
    // Nobody is left to whom a leader could hand over: asking them to end would only take time.
    for (const { pid } of this.nodes.values()) if (pid !== undefined) Deno.kill(pid, "SIGKILL");
    await Promise.all([...this.nodes.values()].map((member) => member.close()));
    await Deno.remove(this.folder, { recursive: true });
  }

  async #sendOffers(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      for (const member of this.nodes.values()) {
        try {
          const endpoints = await member.take(
            await this.#coordinator!.members.offer(member.offer),
          );
          if (endpoints) {
            for (const r of this.#registries) (r as EtcdRegistry).follow(endpoints);
          }
        } catch {
          // nobody answered: it asks again
        }
      }
      for (const heard of this.#rounds.splice(0)) heard();
      await sleep(OFFER_MS);
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
  return members.map(({ name, isLearner }) => name + (isLearner ? " (learner)" : ""));
}
