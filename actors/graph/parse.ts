/**
 * Graph files: one YAML or JSON text says which model runs, as which actors, on which devices, for
 * what.
 *
 * ```yaml
 * model: mine
 * actors:
 *   drafter: ngram
 * workload: { prompt_tokens: 512, output_tokens: 128 }
 * ```
 *
 * Pure: text in, {@linkcode Graph} out; whoever calls reads the file.
 *
 * @module
 */
import { z } from "zod";
import { MODEL_PRESETS } from "./presets.ts";
import { didYouMean, SourceFile } from "./problems.ts";
import { checkPaths } from "./paths.ts";
import {
  API,
  BUILT_IN_ACTORS,
  type DeviceFile,
  deviceFileSchema,
  type Graph,
  graphSchema,
  type PaperModel,
  RESERVED_ACTORS,
} from "./schema.ts";

/** Where a text came from. */
export interface GraphSource {
  /** Name for error messages. */
  file: string;
}

/**
 * Reads a graph file. Throws group `graph`, code `bad_graph`: the message has a line for each
 * problem with file, line, column, path, what was expected and what was found; `metadata.problems`
 * has the same as data.
 */
export function parseGraph(text: string, { file }: GraphSource): Graph {
  const source = new SourceFile(text, file);
  const value = source.value();
  const parsed = graphSchema.safeParse(value);
  if (!parsed.success) source.addIssues(parsed.error.issues, value);
  source.throwProblems();
  const graph = parsed.data!;
  checkActors(graph, source);
  checkDevices(graph, source);
  checkLayers(graph, source);
  checkHosts(graph, source);
  source.throwProblems();
  return graph;
}

/**
 * Reads a device file: `devices` and `links` as in a graph file. Throws as {@linkcode parseGraph}.
 */
export function parseDevices(text: string, { file }: GraphSource): DeviceFile {
  const source = new SourceFile(text, file);
  const value = source.value();
  const parsed = deviceFileSchema.safeParse(value);
  if (!parsed.success) source.addIssues(parsed.error.issues, value);
  source.throwProblems();
  checkDevices(parsed.data!, source);
  source.throwProblems();
  return parsed.data!;
}

/** JSON Schema (2020-12) of graph files, for editors. */
export function graphJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(graphSchema, { io: "input" });
  return { ...schema, title: "Orrery graph file" };
}

/** Dimensions of a model on paper, presets filled in. `ffn`: inner width of the gated MLP. */
export interface PaperDimensions {
  /** For people. */
  name: string;
  /** Decoder layers. */
  layers: number;
  /** Elements of a row of hidden states. */
  hidden: number;
  /** Tokens of the vocabulary. */
  vocab: number;
  /** Attention heads. */
  heads: number;
  /** Heads of keys and values. */
  kv_heads: number;
  /** Elements of a head. */
  head_dim: number;
  /** Inner width of the gated MLP. */
  ffn: number;
  /** Rows; 4096 where the file does not say. */
  context: number;
  /** Are embedding and head one matrix? */
  tied: boolean;
  /** Of the weights. */
  precision: PaperModel["precision"];
  /** Bytes of one element of the KV arena. */
  kv_element_bytes: number;
}

/** Fills in what a preset knows. */
export function paperDimensions(paper: PaperModel): PaperDimensions {
  const { preset, ...own } = paper;
  const base = preset === undefined ? {} : MODEL_PRESETS[preset];
  const given = Object.fromEntries(Object.entries(own).filter(([, v]) => v !== undefined));
  return {
    name: preset ?? "unnamed",
    context: 4096,
    tied: false,
    ...base,
    ...given,
  } as PaperDimensions;
}

type Source = Pick<SourceFile, "add">;

function checkActors({ actors, edges }: Graph, source: Source): void {
  const names = new Set<string>([API, ...BUILT_IN_ACTORS]);
  const taken = new Set<string>([...names, ...RESERVED_ACTORS]);
  for (const [i, { name }] of actors.custom.entries()) {
    if (taken.has(name)) {
      source.add(
        ["actors", "custom", i, "name"],
        `expected a name that no other actor has, found ${JSON.stringify(name)}`,
      );
    }
    names.add(name);
    taken.add(name);
  }
  const known = [...names];
  const check = (path: PropertyKey[], name: string) => {
    if (!names.has(name)) {
      source.add(
        path,
        `expected the name of an actor, found ${JSON.stringify(name)}; ${didYouMean(name, known)}`,
      );
    }
  };
  for (const [i, edge] of edges.entries()) {
    for (const end of ["from", "to"] as const) check(["edges", i, end], edge[end]);
  }
  checkPaths({ actors, edges }, source);
}

function checkDevices({ devices, links }: Pick<Graph, "devices" | "links">, source: Source): void {
  if (devices === "measured") return;
  const names = devices.map((d) => d.name);
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) < i || name === "*") {
      source.add(
        ["devices", i, "name"],
        `expected a name that no other device has, found ${JSON.stringify(name)}`,
      );
    }
  }
  const seen = new Set<string>();
  for (const [i, link] of links.entries()) {
    for (const end of ["from", "to"] as const) {
      if (link[end] !== "*") checkHost(source, ["links", i, end], link[end], names);
    }
    const pair = JSON.stringify([link.from, link.to]);
    if (seen.has(pair)) {
      source.add(["links", i], `expected each link once, found ${link.from} to ${link.to} again`);
    }
    seen.add(pair);
  }
}

function checkHost(
  source: Source,
  path: PropertyKey[],
  host: string,
  names: readonly string[],
): void {
  if (names.includes(host)) return;
  source.add(
    path,
    `expected the name of a device, found ${JSON.stringify(host)}; ${didYouMean(host, names)}`,
  );
}

function checkHosts({ devices, actors, constraints }: Graph, source: Source): void {
  if (devices === "measured") return; // known only when they are
  const names = devices.map((d) => d.name);
  const check = (path: PropertyKey[], host: string | undefined) => {
    if (host !== undefined) checkHost(source, path, host, names);
  };
  if (actors.stages !== "auto") {
    for (const [i, { host }] of actors.stages.entries()) {
      check(["actors", "stages", i, "host"], host);
    }
  }
  if (typeof actors.drafter === "object") check(["actors", "drafter", "host"], actors.drafter.host);
  for (const [i, { host }] of actors.custom.entries()) check(["actors", "custom", i, "host"], host);
  for (const [i, { host }] of constraints.pin.entries()) {
    check(["constraints", "pin", i, "host"], host);
  }
  for (const [i, host] of constraints.exclude.entries()) check(["constraints", "exclude", i], host);
  for (const [i, { host }] of constraints.memory.entries()) {
    check(["constraints", "memory", i, "host"], host);
  }
}

function checkLayers({ model_shape, actors, constraints }: Graph, source: Source): void {
  const layers = model_shape && paperDimensions(model_shape).layers;
  const inside = (path: PropertyKey[], last: number) => {
    if (layers !== undefined && last >= layers) {
      source.add(path, `expected layers up to ${layers - 1}, found layer ${last}`);
    }
  };
  for (const [i, { layers: range }] of constraints.pin.entries()) {
    inside(["constraints", "pin", i, "layers"], range.last);
  }
  const pins = constraints.pin.entries().toArray();
  for (const [i, pin] of pins) {
    const clash = pins.find(([j, o]) =>
      j < i && o.host !== pin.host && o.layers.first <= pin.layers.last &&
      pin.layers.first <= o.layers.last
    );
    if (clash) {
      source.add(
        ["constraints", "pin", i, "layers"],
        `expected layers that are not pinned to ${clash[1].host} too`,
      );
    }
  }
  if (actors.stages === "auto") return;
  let next = 0;
  for (const [i, { layers: range }] of actors.stages.entries()) {
    const path = ["actors", "stages", i, "layers"];
    if (range.first !== next) {
      source.add(path, `expected a range that begins at layer ${next}, found layer ${range.first}`);
    }
    inside(path, range.last);
    next = range.last + 1;
  }
  if (layers !== undefined && next < layers) {
    source.add(
      ["actors", "stages"],
      `expected stages up to layer ${layers - 1}, found the last at layer ${next - 1}`,
    );
  }
  const hosts = actors.stages.map((s) => s.host);
  for (const [i, host] of hosts.entries()) {
    if (hosts.indexOf(host) < i) {
      source.add(
        ["actors", "stages", i, "host"],
        `expected one stage a host, found ${JSON.stringify(host)} again`,
      );
    }
  }
}
