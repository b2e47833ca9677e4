/**
 * How busy a node is, as `GET /api/load` tells it: figures alone, so that a page of metrics can be
 * made of them.
 *
 * @module
 */
import type { LagFigures, LagMeter } from "./lag_meter.ts";
import type { EngineLoader } from "./cluster/mod.ts";
import type { Admission, Gateway } from "./serve/mod.ts";
import type { ApiServer } from "./api/mod.ts";

/** What a node is at. */
export interface NodeLoad {
  /** How long what should run waits for the event loop. */
  event_loop: LagFigures;
  /** Requests that have places, that wait for one, and how many may. */
  requests: { running: number; waiting: number; most: number };
  /** Large prompts that wait to be encoded. */
  encoding: number;
  /** Bytes of request bodies that are held, and may be. */
  bodies: { bytes: number; most: number };
  /** Bytes: what the process uses, what its stages were given, what `--memory` says. */
  memory: { resident: number; stages: number; most: number | null };
}

/** The parts of a node that are asked. */
export interface NodeLoadParts {
  lag: LagMeter;
  admission: Admission;
  gateway: Gateway;
  loader: EngineLoader;
  /** Bytes that stages may use; undefined: nobody said. */
  memoryBytes?: number;
  bodies: ApiServer["bodies"];
}

/** Asks all of them. */
export function nodeLoad(
  { lag, admission, gateway, loader, memoryBytes, bodies }: NodeLoadParts,
): NodeLoad {
  return {
    event_loop: lag.figures(),
    requests: { running: admission.active, waiting: admission.queued, most: admission.places },
    encoding: gateway.encoding,
    bodies: { bytes: bodies.held, most: bodies.limit },
    memory: {
      resident: Deno.memoryUsage().rss,
      stages: loader.loadedBytes(),
      most: memoryBytes ?? null,
    },
  };
}
