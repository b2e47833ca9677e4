/**
 * Graph files: a YAML or JSON text that says which model runs, as which actors, on which devices,
 * for which workload.
 *
 * ```yaml
 * model: mine
 * actors:
 *   drafter: ngram
 * workload: { prompt_tokens: 512, output_tokens: 128 }
 * ```
 *
 * Pure: takes text and returns a {@linkcode Graph}; the caller reads the file.
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

/** Where a graph file's text comes from. */
export interface GraphSource {
  /** File name for error messages. */
  file: string;
}

/**
 * Reads a graph file. Throws group `graph`, code `bad_graph`: the message has one line for each
 * of the first 20 problems, with file, line, column, path, what was expected and what was found, and
 * a line with the number of the others. `metadata.problems` has the same 20 as data.
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
  checkVocabulary(graph, source);
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

/** The JSON Schema (2020-12) of graph files, for editors. */
export function graphJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(graphSchema, { io: "input" });
  return { ...schema, title: "Orrery graph file" };
}

/** Dimensions of a model that is described in a file, with those of its preset filled in. */
export interface PaperDimensions {
  /** Name for people; "unnamed" where the file gives none. */
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
  /** Elements of a head's keys and values. */
  head_dim: number;
  /** Inner width of the gated MLP. */
  ffn: number;
  /** Longest context in rows. @default 4096 */
  context: number;
  /** Whether embedding and LM head are one matrix. @default false */
  tied: boolean;
  /** Precision of the weights. */
  precision: PaperModel["precision"];
  /** Bytes of one element of the KV cache. */
  kv_element_bytes: number;
}

/** Completes a file's dimensions with those of its preset; the file's own win. */
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

/** Checks that actors' names are unique and that edges name actors. */
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
  const ends = [API, "model", ...actors.custom.map(({ name }) => name)];
  for (const [i, { needs: { links = [] } }] of actors.custom.entries()) {
    for (const [j, { to }] of links.entries()) {
      if (ends.includes(to)) continue;
      source.add(
        ["actors", "custom", i, "needs", "links", j, "to"],
        `expected api, model or the name of a custom actor, found ${JSON.stringify(to)}; ${
          didYouMean(to, ends)
        }`,
      );
    }
  }
  for (const [i, edge] of edges.entries()) {
    for (const end of ["from", "to"] as const) check(["edges", i, end], edge[end]);
  }
  checkPaths({ actors, edges }, source);
}

/** Checks that devices' names are unique and that links (each pair once) and uplinks name devices. */
function checkDevices(
  { devices, links, uplinks }: Pick<Graph, "devices" | "links" | "uplinks">,
  source: Source,
): void {
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
  for (const [i, uplink] of uplinks.entries()) {
    for (const [j, host] of uplink.devices.entries()) {
      checkHost(source, ["uplinks", i, "devices", j], host, names);
    }
  }
}

/** Checks that a `host` names a device. */
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

/** Checks every `host` of a file that describes its devices. */
function checkHosts({ devices, actors, constraints }: Graph, source: Source): void {
  if (devices === "measured") return; // measured devices are known only later
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

/** Checks that a drafter on paper has as many tokens as its head is to have. */
function checkVocabulary({ actors: { drafter } }: Graph, source: Source): void {
  if (typeof drafter !== "object" || !drafter.shape) return;
  const { vocab } = paperDimensions(drafter.shape);
  if (typeof drafter.vocabulary !== "number" || drafter.vocabulary <= vocab) return;
  source.add(
    ["actors", "drafter", "vocabulary"],
    `expected at most the ${vocab} tokens of its shape, found ${drafter.vocabulary}`,
  );
}

/** Checks pins and stages: layers of the model, no layer twice, stages without a gap. */
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
