/**
 * Where traces go, as the `OTEL_*` variables of the environment say.
 *
 * Nothing is sent unless they name a receiver: an endpoint, or the exporter `otlp` itself.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** How traces are sampled. */
export interface SamplerOptions {
  kind: "always_on" | "always_off" | "traceidratio";
  /** A trace that another program has begun is recorded as that one decided. */
  parentBased: boolean;
  /** Share of traces that are recorded, 0 to 1. */
  ratio: number;
}

/** Where traces go and how. */
export interface TraceOptions {
  /** URL that takes spans, OTLP over HTTP. */
  url: string;
  headers: Record<string, string>;
  compression: "none" | "gzip";
  /** Milliseconds in which the receiver must take a batch. */
  timeoutMs: number;
  sampler: SamplerOptions;
  /** Attributes of the resource, `service.name` among them. */
  resource: Record<string, string>;
  batch: { delayMs: number; most: number; queue: number };
}

/** Names of all variables that are read. */
export const OTEL_VARIABLES: readonly string[] = [
  ...["OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"],
  ...["OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"],
  ...["", "TRACES_"].flatMap((signal) =>
    ["ENDPOINT", "HEADERS", "TIMEOUT", "PROTOCOL", "COMPRESSION"].map((name) =>
      `OTEL_EXPORTER_OTLP_${signal}${name}`
    )
  ),
  ...["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
];

/** Where a receiver on the same machine listens, by OpenTelemetry's convention. */
const USUAL_ENDPOINT = "http://localhost:4318";

/** Values of `OTEL_TRACES_SAMPLER`. */
const SAMPLERS = ["always_on", "always_off", "traceidratio"] as const;

/**
 * What the environment says; undefined: no traces are wanted. Throws group `telemetry`, code
 * `bad_variable`, for a value that is none.
 */
export function traceOptions(env: (name: string) => string | undefined): TraceOptions | undefined {
  const read = (name: string) => env(name)?.trim() || undefined;
  const own = (name: string) => {
    const [signal, all] = [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`];
    return read(signal) !== undefined
      ? { name: signal, value: read(signal)! }
      : { name: all, value: read(all) };
  };
  const exporter = read("OTEL_TRACES_EXPORTER");
  const endpoint = own("ENDPOINT");
  const disabled = read("OTEL_SDK_DISABLED")?.toLowerCase() === "true";
  if (disabled || exporter === "none") return undefined;
  if (exporter !== undefined && exporter !== "otlp") {
    throw bad("OTEL_TRACES_EXPORTER", exporter, "otlp or none");
  }
  if (endpoint.value === undefined && exporter === undefined) return undefined;
  oneOf(own("PROTOCOL"), ["http/protobuf"]); // the one that every receiver has to know
  return {
    url: urlOf(endpoint),
    headers: pairs(own("HEADERS")),
    compression: oneOf(own("COMPRESSION"), ["none", "gzip"]),
    timeoutMs: whole(own("TIMEOUT"), 10_000),
    sampler: samplerOf(read),
    resource: {
      "service.name": "orrery",
      ...pairs({ name: "OTEL_RESOURCE_ATTRIBUTES", value: read("OTEL_RESOURCE_ATTRIBUTES") }),
      ...(read("OTEL_SERVICE_NAME") && { "service.name": read("OTEL_SERVICE_NAME")! }),
    },
    batch: batchOf(read),
  };
}

/** A variable, and its value. */
interface Variable {
  name: string;
  value: string | undefined;
}

/** An endpoint for all signals gets the path of traces; one for traces alone is used as it is. */
function urlOf({ name, value = USUAL_ENDPOINT }: Variable): string {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw bad(name, value, "a URL such as http://localhost:4318");
  }
  if (!/^https?:$/.test(url.protocol)) throw bad(name, value, "a URL with http or https");
  if (name.includes("TRACES_")) return url.href;
  return `${url.href.replace(/\/$/, "")}/v1/traces`;
}

function samplerOf(read: (name: string) => string | undefined): SamplerOptions {
  const name = read("OTEL_TRACES_SAMPLER") ?? "parentbased_always_on";
  const parentBased = name.startsWith("parentbased_");
  const kind = SAMPLERS.find((known) => name === (parentBased ? `parentbased_${known}` : known));
  if (!kind) {
    const known = SAMPLERS.flatMap((one) => [one, `parentbased_${one}`]);
    throw bad("OTEL_TRACES_SAMPLER", name, `one of ${known.join(", ")}`);
  }
  const text = read("OTEL_TRACES_SAMPLER_ARG");
  const ratio = text === undefined ? 1 : Number(text);
  if (kind === "traceidratio" && !(ratio >= 0 && ratio <= 1)) {
    throw bad("OTEL_TRACES_SAMPLER_ARG", text!, "a number from 0 to 1");
  }
  return { kind, parentBased, ratio };
}

function batchOf(read: (name: string) => string | undefined): TraceOptions["batch"] {
  const number = (name: string, usual: number) => whole({ name, value: read(name) }, usual);
  const queue = number("OTEL_BSP_MAX_QUEUE_SIZE", 4_096);
  const most = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512);
  return { delayMs: number("OTEL_BSP_SCHEDULE_DELAY", 5_000), queue, most: Math.min(most, queue) };
}

function oneOf<const T extends string>({ name, value }: Variable, known: readonly T[]): T {
  if (value === undefined) return known[0];
  const found = known.find((one) => one === value);
  if (!found) throw bad(name, value, known.join(" or "));
  return found;
}

function whole({ name, value }: Variable, usual: number): number {
  if (value === undefined) return usual;
  if (!/^[1-9]\d{0,8}$/.test(value)) throw bad(name, value, "a whole number from 1 on");
  return Number(value);
}

/** `key=value` pairs, separated by commas, with values encoded as in URLs. */
function pairs({ name, value }: Variable): Record<string, string> {
  const found: [string, string][] = [];
  for (const pair of value?.split(",") ?? []) {
    if (pair.trim() === "") continue;
    const [key, ...rest] = pair.split("=");
    if (rest.length === 0 || key.trim() === "") throw bad(name, value!, "key=value,key=value");
    try {
      found.push([key.trim(), decodeURIComponent(rest.join("=").trim())]);
    } catch {
      throw bad(name, value!, "values that are encoded as in URLs");
    }
  }
  return Object.fromEntries(found);
}

/** Headers may have keys: their values are not repeated. */
function bad(name: string, value: string, wanted: string): OrreryError {
  const got = name.endsWith("HEADERS") ? "something else" : JSON.stringify(value.slice(0, 200));
  return new OrreryError({
    group: "telemetry",
    code: "bad_variable",
    message: `${name}: expected ${wanted}, got ${got}`,
    metadata: { variable: name },
  });
}
