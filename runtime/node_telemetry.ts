/**
 * Gathers what the actors of a node tell of their work.
 *
 * @module
 */
import {
  isUnsent,
  type OpenSpan,
  parseAddress,
  type Telemetry,
  type WorkReport,
} from "../actors/mod.ts";
import { type AnySpanInit, NodeMetrics, type TraceOptions, Tracing } from "./telemetry/mod.ts";
import { unsentLog } from "./unsent_log.ts";
import { VERSION } from "./version.ts";

/** See the module's text. */
export class NodeTelemetry implements Telemetry {
  readonly metrics = new NodeMetrics({ version: VERSION });
  readonly #logUnsent = unsentLog();

  report(from: string, report: WorkReport): void {
    if (isUnsent(report)) this.#logUnsent(from, report);
    else this.metrics.report(report);
  }

  /** Records spans; undefined: none are wanted, and this costs nothing. */
  readonly #tracing?: Tracing;

  private constructor(tracing?: Tracing) {
    this.#tracing = tracing;
  }

  /** `traces`: where they go, undefined: nowhere. `undo` sends what is left of them. */
  static async open(
    { node, traces }: { node: string; traces?: TraceOptions },
    undo: AsyncDisposableStack,
  ): Promise<NodeTelemetry> {
    if (!traces) return new NodeTelemetry();
    const tracing = await Tracing.open(traces, { node, version: VERSION });
    undo.defer(() => tracing.close());
    return new NodeTelemetry(tracing);
  }

  span(name: string, init: AnySpanInit): OpenSpan | undefined {
    return this.#tracing?.span(name, init);
  }

  /** The actor at this address has crashed. */
  crashed(address: string): void {
    this.metrics.crashed(parseAddress(address).kind);
  }
}
