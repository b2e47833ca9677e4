/**
 * What a node is at, for `GET /metrics`: whatever is not counted as it happens.
 *
 * @module
 */
import { parseAddress } from "../actors/mod.ts";
import type { ApiServer } from "./api/mod.ts";
import type { LagMeter } from "./lag_meter.ts";
import type { NodeJournal } from "./node_journal.ts";
import type { NodeNetwork } from "./node_network.ts";
import type { NodeWork } from "./node_work.ts";
import type { KvSample, NodeSample } from "./telemetry/mod.ts";

/** The parts of a node that are looked at. */
export interface SampledParts {
  network: NodeNetwork;
  work: NodeWork;
  journal: NodeJournal;
  lag: LagMeter;
  bodies: ApiServer["bodies"];
  /** Bytes that stages may use; undefined: nobody said. */
  memoryBytes?: number;
}

/** Looks at all of them. */
export async function nodeSample(parts: SampledParts): Promise<NodeSample> {
  const { network: { system, mailbox }, work, journal, lag, bodies, memoryBytes } = parts;
  const { admission, gateway, loader, serving } = work;
  const kv = await gateway.kvRows();
  return {
    serving: {
      serves: serving.deployment !== undefined,
      members: serving.deployment?.members.length ?? 0,
    },
    memory: {
      resident: Deno.memoryUsage().rss,
      stages: loader.loadedBytes(),
      limit: memoryBytes,
    },
    lag: lag.figures(),
    requests: { running: admission.active, waiting: admission.queued, most: admission.places },
    encoding: gateway.encoding,
    bodyBytes: bodies.held,
    kv: kv.map(kvSample),
    actors: system.status().map(({ address, queued, waiting }) => ({
      ...{ kind: parseAddress(address).kind, queued, waiting },
    })),
    deadLetters: system.deadLetters().total,
    links: mailbox.peers().map((peer) => ({
      ...{ node: peer.node, up: peer.state === "up", rttMs: peer.rttMs },
      ...{ sentBytes: peer.bytesSent, receivedBytes: peer.bytesReceived },
      ...{ queuedBytes: peer.queuedBytes, reconnects: peer.reconnects },
    })),
    journal: journal.sample,
  };
}

type ArenaRows = Awaited<ReturnType<NodeWork["gateway"]["kvRows"]>>[number];

function kvSample({ model, stats }: ArenaRows): KvSample {
  const { capacity, window_rows: windowed, free_rows, holes, cached_rows: cached, waiting } = stats;
  const held = Math.max(0, capacity - free_rows - holes - cached);
  return { model, capacity, windowed, held, cached, waiting };
}
