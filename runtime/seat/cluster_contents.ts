/**
 * What a cluster keeps in its registry for its next coordinator.
 *
 * | key              | value                                                    |
 * | ---------------- | -------------------------------------------------------- |
 * | `members/NODE`   | the member; it vanishes with the node's lease            |
 * | `deployments/ID` | a deployment whose stages may be loaded                  |
 * | `serving`        | the id of the deployment that serves                     |
 * | `served/KEY`     | the same for another copy than the default deployment's first |
 * | `applied/NAME`   | a graph file that was applied under a name               |
 * | `graphs/main`    | what is served, and how it is placed ({@linkcode MainGraph}) |
 * | `modules/SHA256` | a packed module of a custom actor                        |
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import {
  type AskedDeployment,
  askedDeploymentSchema,
  CLUSTER,
  type ClusterMemory,
  type ClusterPast,
  copyKey,
  type CopyName,
  decodeRecord,
  type Deployment,
  deploymentSchema,
  hasCode,
  type Member,
  memberSchema,
  overtaken,
  ownerRecordKey,
  ownerRecordSchema,
  type Registry,
  type RegistryEntry,
  type RegistryTransaction,
  toOrreryError,
} from "../../actors/mod.ts";

import { moduleKey } from "../custom/mod.ts";

const log = getLogger(["orrery", "coordinator"]);

const MEMBERS = "members/";
const DEPLOYMENTS = "deployments/";
const SERVING = "serving";
const GRAPH = "graphs/main";
const SERVED = "served/";
const APPLIED = "applied/";

/** Pause before a write is tried again, milliseconds. */
const RETRY_MS = 200;

/** Key of a member. */
export const memberKey = (node: string): string => MEMBERS + node;

const rangeSchema = z.object({ first: z.int().nonnegative(), last: z.int().nonnegative() });

/** Schema of a {@linkcode MainGraph}. */
export const mainGraphSchema = z.object({
  /** The graph as JSON text, with the drafter that its file and the options came to. */
  text: z.string(),
  /** Path of the graph file, to whose folder modules of custom actors are relative. */
  file: z.string().optional(),
  /** Name of the model in the stores of the nodes. */
  model: z.string(),
  /** The draft model; undefined: there is none. */
  draft: z.object({
    model: z.string(),
    acceptance: z.number().min(0).max(1),
    /** Nobody asked for it by name. */
    found: z.boolean().optional(),
  }).optional(),
  /** Layers of each node, in the order in which nodes joined. */
  layers: z.array(rangeSchema).optional(),
  placement: z.enum(["planned", "even"]).optional(),
  /** SHA-256 of the packed modules of custom actors, by the actors' names; see `modules/`. */
  modules: z.record(z.string(), z.string()).optional(),
  /** Number of nodes to wait for before the model is placed for the first time. */
  nodes: z.int().positive(),
});
/** What a cluster serves, as the node was told that began it. */
export type MainGraph = z.infer<typeof mainGraphSchema>;

const servingSchema = z.object({ id: z.string() });

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** The value of an entry; undefined: it is none of this version, which the log says. */
function decode<T>(schema: z.ZodType<T>, entry: RegistryEntry): T | undefined {
  try {
    return decodeRecord(schema, entry);
  } catch (error) {
    log.warn("{key} is left out: {message}", {
      key: entry.key,
      message: toOrreryError(error).message,
    });
    return undefined;
  }
}

/** The members whose entries these are; one that names another node than its key is left out. */
export function membersOf(entries: readonly RegistryEntry[]): Member[] {
  return entries.flatMap((entry) => {
    const member = decode(memberSchema, entry);
    return member && memberKey(member.node) === entry.key ? [member] : [];
  });
}

/** Deployments among these entries, and which of them serves. */
export function deploymentsOf(
  entries: readonly RegistryEntry[],
  serving: RegistryEntry | undefined,
  served: readonly RegistryEntry[] = [],
): { serving?: Deployment; named: Deployment[]; others: Deployment[] } {
  const all = entries.flatMap((entry) => decode(deploymentSchema, entry) ?? []);
  const id = serving && decode(servingSchema, serving)?.id;
  const ids = new Set(served.flatMap((entry) => decode(servingSchema, entry)?.id ?? []));
  return {
    serving: all.find((d) => d.id === id),
    named: all.filter((d) => ids.has(d.id)),
    others: all.filter((d) => d.id !== id && !ids.has(d.id)),
  };
}

/** The key under which it is kept which deployment serves as this copy. */
function servingKey(of: CopyName): string {
  const key = copyKey(of);
  return key === copyKey({}) ? SERVING : SERVED + key;
}

/** What is served, among these entries; undefined: nothing is noted. */
export function mainGraphOf(entries: readonly RegistryEntry[]): MainGraph | undefined {
  const entry = entries.find(({ key }) => key === GRAPH);
  return entry && decode(mainGraphSchema, entry);
}

/** What is served; undefined: nothing yet. */
export async function readMainGraph(registry: Registry): Promise<MainGraph | undefined> {
  const entry = await registry.get(GRAPH);
  return mainGraphOf(entry ? [entry] : []);
}

/** The nodes whose leases live. */
export async function readMembers(registry: Registry): Promise<Member[]> {
  return membersOf((await registry.list(MEMBERS)).entries);
}

/** What the coordinators before have left, as the registry has it now. */
export async function readPast(registry: Registry): Promise<ClusterPast> {
  const [members, deployments, serving, served, applied] = await Promise.all([
    readMembers(registry),
    registry.list(DEPLOYMENTS),
    registry.get(SERVING),
    registry.list(SERVED),
    registry.list(APPLIED),
  ]);
  return {
    members,
    ...deploymentsOf(deployments.entries, serving, served.entries),
    applied: applied.entries.flatMap((entry) => decode(askedDeploymentSchema, entry) ?? []),
  };
}

/** Options of {@linkcode TermWriter}. */
export interface TermWriterOptions {
  registry: Registry;
  /** Number of this node's term. */
  epoch: number;
  /** Ends with the term. */
  signal: AbortSignal;
}

/**
 * Writes what a coordinator keeps, as long as its term lasts: every transaction checks that nobody
 * else has become the coordinator since.
 */
export class TermWriter {
  readonly #options: TermWriterOptions;
  readonly #version: number;

  private constructor(options: TermWriterOptions, version: number) {
    this.#options = options;
    this.#version = version;
  }

  /** Throws `stale_epoch` (group `actor`) where a later term has begun. */
  static async open(options: TermWriterOptions): Promise<TermWriter> {
    const { registry, epoch, signal } = options;
    const entry = await registry.get(ownerRecordKey(CLUSTER), { signal });
    const owner = entry && decodeRecord(ownerRecordSchema, entry);
    if (owner?.epoch !== epoch) throw overtaken(CLUSTER, epoch);
    return new TermWriter(options, entry!.version);
  }

  /** The cluster actor's memory of this term. */
  memory(past: ClusterPast): ClusterMemory {
    return {
      past,
      planned: (deployment) =>
        this.write({ sets: [{ key: DEPLOYMENTS + deployment.id, value: encode(deployment) }] }),
      serves: (deployment, of) =>
        this.write(
          deployment
            ? {
              sets: [
                { key: DEPLOYMENTS + deployment.id, value: encode(deployment) },
                { key: servingKey(of), value: encode({ id: deployment.id }) },
              ],
            }
            : { deletes: [servingKey(of)] },
        ),
      applied: (asked) => this.#applied(asked),
      deleted: (name) => this.write({ deletes: [APPLIED + name] }),
      retired: (id) => this.write({ deletes: [DEPLOYMENTS + id] }),
    };
  }

  /** Notes what was applied; its modules are values of their own. */
  async #applied(asked: AskedDeployment): Promise<void> {
    const modules: AskedDeployment["modules"] = {};
    for (const [name, { sha256, data }] of Object.entries(asked.modules)) {
      modules[name] = { sha256 };
      if (data !== undefined) await this.putModule(sha256, Uint8Array.fromBase64(data));
    }
    const value = encode({ ...asked, modules });
    await this.write({ sets: [{ key: APPLIED + asked.name, value }] });
  }

  /** Keeps a packed module. */
  async putModule(sha256: string, bytes: Uint8Array): Promise<void> {
    await this.write({ sets: [{ key: moduleKey(sha256), value: bytes }] });
  }

  /** Notes what is served, with the modules of its custom actors. */
  async putMainGraph(
    graph: MainGraph,
    packed: readonly { name: string; sha256: string; bytes: Uint8Array }[],
  ): Promise<void> {
    for (const { sha256, bytes } of packed) await this.putModule(sha256, bytes);
    const modules = Object.fromEntries(packed.map(({ name, sha256 }) => [name, sha256]));
    await this.write({ sets: [{ key: GRAPH, value: encode({ ...graph, modules }) }] });
  }

  /**
   * Writes until the registry has answered; the same write with the same id is made once. Throws
   * `stale_epoch` where the term is over, and the signal's reason.
   */
  async write(transaction: RegistryTransaction): Promise<void> {
    const { registry, epoch, signal } = this.#options;
    const checks = [{ key: ownerRecordKey(CLUSTER), version: this.#version }];
    const id = crypto.randomUUID();
    for (;;) {
      signal.throwIfAborted();
      try {
        if ((await registry.transact({ ...transaction, id, checks }, { signal })).ok) return;
        throw overtaken(CLUSTER, epoch);
      } catch (error) {
        signal.throwIfAborted();
        if (!hasCode(error, "unavailable") && !hasCode(error, "outcome_unknown")) throw error;
        log.warn("the registry does not answer: {message}", {
          message: toOrreryError(error).message,
        });
      }
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
    }
  }
}
