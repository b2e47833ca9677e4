/**
 * What the nodes of a cluster hold at one moment: memory, file handles, KV rows, journals, disk.
 *
 * @module
 */
import { join } from "node:path";
import type { FaultCluster, FaultNode } from "./fault_cluster.ts";

/** One node at one moment; undefined: it does not answer. */
export interface NodeLevels {
  /** Resident memory of its process, bytes. */
  rss: number;
  /** Open file handles of its process. */
  handles: number;
  /** Stages, shards and drafters that are active, and arbiters. */
  actors: number;
  /** KV rows that requests hold, and rows that the open arenas have room for. */
  rowsHeld: number;
  rowsCapacity: number;
  /** Requests in its journal, and bytes of copies of others. */
  journalRequests: number;
  journalBytes: number;
  /** Bytes of its data folder. */
  disk: number;
}

/** The sums of the values of a metric; with `labels`, of those lines that have this text. */
function metric(text: string, name: string, labels = ""): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    const match = /^orrery_(\w+)(\{[^}]*\})? (\S+)$/.exec(line);
    if (match?.[1] === name && (match[2] ?? "").includes(labels)) sum += Number(match[3]);
  }
  return sum;
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    try {
      bytes += isDirectory ? await bytesBelow(path) : (await Deno.lstat(path)).size;
    } catch {
      // it was removed meanwhile
    }
  }
  return bytes;
}

/** Looks at one node. Undefined: it does not answer. */
export async function levelsOf({ process, machine }: FaultNode): Promise<NodeLevels | undefined> {
  try {
    const { pid } = process;
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const handles = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    const response = await fetch(`${await process.url()}/metrics`, {
      signal: AbortSignal.timeout(5_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    const kinds = ["stage", "head", "drafter", "arbiter"];
    return {
      rss: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? NaN) * 1024,
      handles,
      actors: kinds.reduce((sum, kind) => sum + metric(text, "actors", `kind="${kind}"`), 0),
      rowsHeld: metric(text, "kv_rows_held"),
      rowsCapacity: metric(text, "kv_rows_capacity"),
      journalRequests: metric(text, "journal_requests"),
      journalBytes: metric(text, "journal_held_bytes"),
      disk: await bytesBelow(machine.disk),
    };
  } catch {
    return undefined;
  }
}

/**
 * How a level is told, and by how much it may be above where it began: a share, and so much more a node.
 * `none`: nothing may be left while nothing is asked, whatever there was at the beginning.
 */
const KINDS: Record<
  keyof NodeLevels,
  { name: string; share: number; more: number; unit?: "bytes"; none?: true }
> = {
  rss: { name: "memory", share: 0.3, more: 64 << 20, unit: "bytes" },
  handles: { name: "file handles", share: 0.1, more: 10 },
  // At the beginning not every node has been asked, and has an arbiter.
  actors: { name: "stages, arbiters", share: 0, more: 1 },
  rowsHeld: { name: "KV rows held", share: 0, more: 0, none: true },
  rowsCapacity: { name: "KV rows of arenas", share: 0.5, more: 1_024 },
  journalRequests: { name: "journal, requests", share: 0, more: 0, none: true },
  journalBytes: { name: "journal, copies", share: 0, more: 0, unit: "bytes", none: true },
  disk: { name: "disk", share: 0.1, more: 8 << 20, unit: "bytes" },
};

const told = (value: number, unit?: "bytes") =>
  unit === "bytes" ? `${(value / 2 ** 20).toFixed(1)} MiB` : `${Math.round(value)}`;

/** All nodes of a cluster at one moment. */
export class ClusterLevels {
  private constructor(readonly nodes: ReadonlyMap<string, NodeLevels | undefined>) {}

  /** Looks at all nodes. */
  static async of({ nodes }: FaultCluster): Promise<ClusterLevels> {
    const levels = await Promise.all(
      nodes.map(async (node) => [node.name, await levelsOf(node)] as const),
    );
    return new ClusterLevels(new Map(levels));
  }

  /** A line for each node. */
  get lines(): string[] {
    return [...this.nodes].map(([name, levels]) => {
      if (!levels) return `  ${name}: does not answer`;
      const parts = Object.entries(KINDS).map(([key, { name: what, unit }]) =>
        `${what} ${told(levels[key as keyof NodeLevels], unit)}`
      );
      return `  ${name}: ${parts.join(", ")}`;
    });
  }

  /** A level of all nodes together; NaN where one does not answer. */
  sum(key: keyof NodeLevels): number {
    return [...this.nodes.values()].reduce((sum, levels) => sum + (levels?.[key] ?? NaN), 0);
  }

  /**
   * Each level of all nodes together beside where it began, and whether it is there again: layers and
   * requests are at other nodes than then, so nodes are not compared one by one.
   */
  since(before: ClusterLevels): { line: string; back: boolean }[] {
    return Object.entries(KINDS).map(([key, { name, share, more, unit, none }]) => {
      const [then, now] = [before, this].map((levels) => levels.sum(key as keyof NodeLevels));
      const most = none ? 0 : then * (1 + share) + more * this.nodes.size;
      const back = now <= most;
      const verdict = back ? "has returned" : `is above ${told(most, unit)}`;
      return {
        line: `${name}: ${told(then, unit)} before, ${told(now, unit)} now: ${verdict}`,
        back,
      };
    });
  }
}
