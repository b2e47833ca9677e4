/**
 * Gathers what the actors of a node tell of their work.
 *
 * @module
 */
import {
  type OpenSpan,
  parseAddress,
  type SpanInit,
  type Telemetry,
  type WorkReport,
} from "../actors/mod.ts";
import { NodeMetrics } from "./telemetry/mod.ts";
import { VERSION } from "./version.ts";

/** See the module's text. */
export class NodeTelemetry implements Telemetry {
  readonly metrics = new NodeMetrics({ version: VERSION });

  report(_from: string, report: WorkReport): void {
    this.metrics.report(report);
  }

  span(_name: string, _init: SpanInit): OpenSpan | undefined {
    return undefined;
  }

  /** The actor at this address has crashed. */
  crashed(address: string): void {
    this.metrics.crashed(parseAddress(address).kind);
  }
}
