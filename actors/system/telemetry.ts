/**
 * What actors tell of their work: reports, from which metrics are counted, and spans of traces.
 *
 * An actor says what has happened and when, through its context; what becomes of it is the system's
 * business ({@linkcode Telemetry}). A system without telemetry drops it all.
 *
 * @module
 */
import type { TraceContext } from "./envelope.ts";

/** Something that an actor has done. Each kind of actor describes its own reports. */
export interface WorkReport {
  /** Name of the report, the same for all that have the same fields. */
  readonly type: string;
}

/** A value of a span's attribute. */
export type SpanValue = string | number | boolean;

/** Attributes of a span, by name. */
export type SpanAttributes = Readonly<Record<string, SpanValue>>;

/** How a span begins. Times are milliseconds of the system's clock. */
export interface SpanInit {
  /** The span that it is a part of. */
  parent: TraceContext;
  /** When it began. @default now */
  start?: number;
  /** What is known of it at its begin. @default nothing */
  attributes?: SpanAttributes;
}

/** A span that has begun: a part of a trace. */
export interface OpenSpan {
  /** Its own context: the parent of what is done for it, here or on another node. */
  readonly context: TraceContext;
  /** Ends it; later calls do nothing. */
  end(options?: {
    /** When it ended, milliseconds of the system's clock. @default now */
    at?: number;
    attributes?: SpanAttributes;
    /** Why it failed. @default it did not */
    error?: string;
  }): void;
}

/** Takes what actors tell. Its methods return at once and throw nothing. */
export interface Telemetry {
  /** The actor at `from` has done something. */
  report(from: string, report: WorkReport): void;
  /** Begins a span; undefined: its trace is not recorded at this node. */
  span(name: string, init: SpanInit): OpenSpan | undefined;
}
