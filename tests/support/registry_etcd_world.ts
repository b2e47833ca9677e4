/**
 * Registries in one real etcd: each world has keys of its own.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Registry } from "../../actors/mod.ts";
import { openRegistry } from "../../runtime/registry/mod.ts";
import { EtcdCluster } from "./etcd_server.ts";
import { LossyHttpProxy } from "./lossy_http_proxy.ts";
import { Losses } from "./registry_kv_world.ts";
import type { RegistryWorld } from "./registry_world.ts";

/** A world over an etcd of its own, with one member. */
export async function etcdWorld(losses: Losses = new Losses()): Promise<RegistryWorld> {
  const cluster = await EtcdCluster.start(1);
  const [member] = cluster.members;
  const proxy = await LossyHttpProxy.open({
    target: () => member.port,
    losses,
    isWrite: (path, body) =>
      path === "/v3/kv/txn" && new TextDecoder().decode(body).includes('"compare"'),
  });
  const open: Registry[] = [];
  return {
    shortestLeaseMs: 2_000,
    clientsSurvive: true,
    async client() {
      const registry = await openRegistry(`etcd://127.0.0.1:${proxy.port}`, { data: "" });
      open.push(registry);
      return registry;
    },
    pass: (ms) => sleep(ms),
    loseReplies: (count) => losses.due = count,
    get lost() {
      return losses.lost;
    },
    async restart() {
      await member.end();
      member.start();
    },
    async [Symbol.asyncDispose]() {
      for (const registry of open) await registry.close();
      await proxy.close();
      await cluster[Symbol.asyncDispose]();
    },
  };
}
