/**
 * What this node is at, as it tells any node of its cluster.
 *
 * @module
 */
import process from "node:process";
import type { NodeVitals } from "../actors/mod.ts";
import type { EngineLoader } from "./cluster/mod.ts";
import type { MailboxTransport } from "./mailbox/mod.ts";
import type { Admission } from "./serve/mod.ts";

/** The parts of a node that are asked. */
export interface NodeVitalsParts {
  mailbox: Pick<MailboxTransport, "peers">;
  loader: Pick<EngineLoader, "loadedBytes">;
  admission: Pick<Admission, "active" | "queued">;
  /** Bytes that stages may use; undefined: nobody said. */
  memoryBytes?: number;
}

/** Asks all of them. */
export function nodeVitals(
  { mailbox, loader, admission, memoryBytes }: NodeVitalsParts,
): NodeVitals {
  const { user, system } = process.cpuUsage(); // microseconds
  return {
    at_ms: performance.now(),
    cpu_ms: (user + system) / 1000,
    memory: {
      resident_bytes: Deno.memoryUsage().rss,
      stages_bytes: loader.loadedBytes(),
      most_bytes: memoryBytes ?? null,
    },
    requests: { running: admission.active, waiting: admission.queued },
    links: mailbox.peers().map(({ node, state, rttMs, bytesSent, bytesReceived }) => ({
      node,
      state,
      round_trip_ms: rttMs ?? null,
      bytes_sent: bytesSent,
      bytes_received: bytesReceived,
    })),
  };
}
