/**
 * Examines this node: its program, certificates, disk, memory, permissions, registry and discovery,
 * and its way to the other members.
 *
 * @module
 */
import { isIPv4 } from "node:net";
import {
  type ActorSystem,
  COORDINATOR_KEY,
  type Examination,
  type Examiner,
  type Fault,
  type Member,
  memberActor,
  type Registry,
  testRegistry,
  toOrreryError,
} from "../../actors/mod.ts";
import { findCluster, MulticastLan } from "../discovery/mod.ts";
import { type MailboxTransport, type ProtocolRange, speaks } from "../mailbox/mod.ts";
import { availableMemory } from "../available_memory.ts";
import { VERSION } from "../version.ts";
import { diskOf, folderFaults } from "./data_folder.ts";
import { measureReach } from "./reach.ts";

/** Milliseconds in which another node must tell its clock; the first time it is dialled. */
const CLOCK_MS = 3_000;
/** Milliseconds in which the registry must have answered its test. */
const REGISTRY_MS = 5_000;
/** Milliseconds in which the own cluster must be found on the local network. */
const LOOK_MS = 2_500;

/** The registry of the cluster, as this node reaches it. */
export interface NodeRegistry {
  /** What was given for `--registry`; undefined: the node asks the one that opened it. */
  where?: string;
  registry: Pick<Registry, "get"> | Registry;
}

/** Options of a {@linkcode NodeExaminer}. */
export interface ExaminerOptions {
  /** Reaches the other members. */
  system: Pick<ActorSystem, "get">;
  mailbox: Pick<MailboxTransport, "addPeer" | "peers">;
  /** The node's folder. */
  data: string;
  /** The versions of the protocol that this node speaks. */
  protocol: ProtocolRange;
  /** When the node's certificates end, in milliseconds since 1970. */
  expiresMs: () => number;
  /** Bytes that the loaded stages, shards and drafters were given. */
  stagesBytes: () => number;
  /** `--memory`, bytes. @default what is free */
  memoryBytes?: number;
  /** What the node does about discovery now: who coordinates announces, the others look. */
  discovery: () => NodeDiscovery;
  /** The registry now: a node may become one that opens it. */
  registry: () => NodeRegistry;
}

/** Whether a node announces its cluster on the local network, or looks for it. */
export interface NodeDiscovery {
  does: Examination["discovery"];
  /** SHA-256 of the certificate of the cluster's authority. */
  authority: string;
  /** Address that the mailbox listens on. */
  host: string;
}

/** See the module's text. */
export class NodeExaminer implements Examiner {
  readonly #options: ExaminerOptions;

  constructor(options: ExaminerOptions) {
    this.#options = options;
  }

  async examine(peers: Member[], signal: AbortSignal): Promise<Examination> {
    const { data, expiresMs, stagesBytes, memoryBytes } = this.#options;
    const discovery = this.#options.discovery();
    const [reached, folder, disk, registry, discovered] = await Promise.all([
      Promise.all(peers.map((peer) => this.#reach(peer, signal))),
      folderFaults(data),
      diskOf(data),
      this.#registry(signal),
      isDiscovered(discovery),
    ]);
    signal.throwIfAborted();
    return {
      program: VERSION,
      protocol: this.#options.protocol,
      certificate_s: Math.round((expiresMs() - Date.now()) / 1000),
      disk,
      memory: {
        available_bytes: availableMemory(),
        process_bytes: Deno.memoryUsage().rss,
        stages_bytes: stagesBytes(),
        limit_bytes: memoryBytes ?? null,
      },
      registry: registry.found,
      discovery: discovery.does,
      discovered,
      faults: [...folder, ...registry.faults, ...permissionFaults()].slice(0, 64),
      peers: reached,
    };
  }

  async #reach({ node, host, port }: Member, signal: AbortSignal) {
    const { system, mailbox } = this.#options;
    const link = () => mailbox.peers().find((peer) => peer.node === node);
    const member = system.get(memberActor, node);
    const within = { deadlineMs: CLOCK_MS, signal };
    return await measureReach(node, async () => {
      if (!link()) mailbox.addPeer(node, host, port);
      // The link's version is known once something went over it.
      if (link()?.version === undefined) await member.echo({}, within);
      if (speaks("clock", link()?.version ?? 0)) return await member.clock({}, within);
      await member.echo({}, within);
      return null;
    });
  }

  async #registry(
    signal: AbortSignal,
  ): Promise<{ found: Examination["registry"]; faults: Fault[] }> {
    const { where, registry } = this.#options.registry();
    const kind = registryKind(where);
    const start = performance.now();
    const within = AbortSignal.any([signal, AbortSignal.timeout(REGISTRY_MS)]);
    const options = { deadlineMs: REGISTRY_MS, signal: within };
    try {
      // A member may write keys of its own alone: it sees whether it can read.
      if (where === undefined) await registry.get(COORDINATOR_KEY, options);
      else await testRegistry(registry as Registry, options);
      return { found: { kind, test_ms: performance.now() - start }, faults: [] };
    } catch (error) {
      const fault = {
        about: "registry",
        what: `the registry (${kind}) fails its test: ${toOrreryError(error).message}`.slice(
          0,
          2048,
        ),
        remedy: ["embedded", "asked"].includes(kind)
          ? "see whether the node that has it runs, and has room on its disk; while it is away the " +
            "cluster cannot change"
          : "see whether the registry's servers run and this machine reaches them",
      };
      return { found: { kind, test_ms: null }, faults: [fault] };
    }
  }
}

/** Whether the own cluster is found on the local network; a node that looks for none finds none. */
async function isDiscovered({ does, authority, host }: NodeDiscovery): Promise<boolean> {
  if (does === "off") return false;
  // A name or an IPv6 address says nothing of the interface: then all are used.
  const interfaces = isIPv4(host) && host !== "0.0.0.0" ? [host] : undefined;
  const lan = new MulticastLan({ interfaces });
  return await findCluster({ authority, lan, lookMs: LOOK_MS }).then(() => true, () => false);
}

function registryKind(where: string | undefined): string {
  if (where === undefined) return "asked";
  if (where.startsWith("etcd://")) return "etcd";
  return /^https?:/.test(where) ? "denokv" : where;
}

/** Rights that a node has too many or too few of. */
function permissionFaults(): Fault[] {
  const faults: Fault[] = [];
  const granted = (name: "run" | "write" | "ffi") =>
    Deno.permissions.querySync({ name }).state === "granted";
  for (const [name, what] of [["run", "start programs"], ["write", "write any file"]] as const) {
    if (!granted(name)) continue;
    faults.push({
      about: "permissions",
      what: `the node may ${what}, which it never needs`,
      remedy: "start it with `deno task start`, which gives it no more than its command line needs",
    });
  }
  if (!granted("ffi")) {
    faults.push({
      about: "permissions",
      what: "the node may not call native libraries, so it can load no layers",
      remedy: "start it with `deno task start`",
    });
  }
  return faults;
}
