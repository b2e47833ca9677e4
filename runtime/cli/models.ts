/**
 * `deno task models`: adds, lists, shows, verifies, measures and removes models of the store.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import {
  addFromHub,
  type AddOptions,
  type AddProgress,
  type BlobProblem,
  BLOCKS,
  ModelStore,
  parseHubSpec,
  PRECISIONS,
  type StoredModel,
  type StoreEntry,
  TENSOR_FORMATS,
} from "../../models/mod.ts";
import { toOrreryError } from "../../actors/mod.ts";
import { readFlags, urlOption } from "./args.ts";
import { MODELS } from "./commands/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { facts, modelBytes } from "./model_facts.ts";
import { PROGRAM } from "./program_name.ts";
import { humanBytes, Progress, waitingFor } from "./progress.ts";
import type { OneToken } from "./one_token.ts";
import { table } from "./table.ts";

const DEFAULT_DATA = ".orrery";
const COMMANDS = ["add", "list", "show", "remove", "verify", "quality"] as const;
/** Options that only adding from the hub has. */
const FOR_HUB = ["revision", "endpoint", "keep"] as const;
/** Options that only `add` has. */
const ONLY_ADD = [
  "name",
  "precision",
  "calibrate",
  "context",
  "embedding-precision",
  "head-precision",
  "block",
  ...FOR_HUB,
] as const;

/** The parsed command line; undefined: `--help` was given. Throws {@linkcode UsageError}. */
function options(args: string[]) {
  const { values, positionals } = readFlags(MODELS, args);
  if (!values) return undefined;
  if (values.data === "") throw new UsageError('--data takes a folder, got ""');
  const [word, subject, ...more] = positionals;
  const command = COMMANDS.find((known) => known === word);
  if (!command) {
    throw new UsageError(`models takes ${COMMANDS.join(", ")}, got ${JSON.stringify(word ?? "")}`);
  }
  if (more.length > 0) {
    throw new UsageError(`${command} takes one name, got ${JSON.stringify(more[0])} too`);
  }
  if (subject === undefined && command !== "list" && command !== "verify") {
    throw new UsageError(
      `${command} needs ${
        command === "add"
          ? "a source"
          : command === "quality"
          ? "the name of a model or a source"
          : "the name of a model"
      }`,
    );
  }
  const given = ONLY_ADD.find((option) => values[option] !== undefined && values[option] !== false);
  if (command !== "add" && given) throw new UsageError(`--${given} is for add`);
  if (values.deep && command !== "verify") throw new UsageError("--deep is for verify");
  const measured = values.text !== undefined
    ? "text"
    : values.beside?.length
    ? "beside"
    : undefined;
  if (measured && command !== "quality") throw new UsageError(`--${measured} is for quality`);
  if (values.json && (command === "add" || command === "remove")) {
    throw new UsageError(`${command} has no --json`);
  }
  const oneOf = <Known extends string>(
    option: "precision" | "embedding-precision" | "head-precision",
    known: readonly Known[],
  ): Known | undefined => {
    const found = known.find((p) => p === values[option]);
    if (values[option] === undefined || found) return found;
    throw new UsageError(
      `--${option} takes ${known.join(", ")}, got ${JSON.stringify(values[option])}`,
    );
  };
  const block = BLOCKS.find((size) => String(size) === values.block);
  if (values.block !== undefined && !block) {
    throw new UsageError(
      `--block takes ${BLOCKS.join(", ")}, got ${JSON.stringify(values.block)}`,
    );
  }
  const context = values.context === undefined ? undefined : Number(values.context);
  if (context !== undefined && !(Number.isInteger(context) && context > 0)) {
    throw new UsageError(
      `--context takes a number of tokens, got ${JSON.stringify(values.context)}`,
    );
  }
  const precisions = {
    block,
    context,
    precision: oneOf("precision", PRECISIONS),
    embeddingPrecision: oneOf("embedding-precision", TENSOR_FORMATS),
    headPrecision: oneOf("head-precision", TENSOR_FORMATS),
  };
  const stored = precisions.precision ?? "q4";
  if (values.calibrate && stored !== "q4" && stored !== "q4m") {
    throw new UsageError(`--calibrate is for q4 and q4m, and --precision is ${stored}`);
  }
  return { ...values, command, subject, precisions };
}

type ModelsOptions = NonNullable<ReturnType<typeof options>>;

async function models(args: string[]): Promise<number> {
  const chosen = options(args);
  if (!chosen) return printHelp(MODELS);
  const store = await ModelStore.open(chosen.data);
  const { command, subject = "" } = chosen;
  if (command === "add") return await add(store, subject, chosen);
  if (command === "show") return await show(store, subject, chosen.json);
  if (command === "verify") return await verify(store, chosen.subject, chosen);
  if (command === "list") return await list(store, chosen.subject, chosen.json);
  if (command === "quality") {
    const { printQuality } = await import("./models_quality.ts");
    const { beside = [], text, json } = chosen;
    return await printQuality(store, {
      source: subject,
      beside,
      text,
      json,
      signal: onInterrupt().signal,
    });
  }
  await store.remove(subject);
  console.log(`removed ${subject}`);
  return exitCodes.ok;
}

/** What is aborted when the user interrupts the command. */
function onInterrupt(): AbortController {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupt.abort());
  }
  return interrupt;
}

async function add(store: ModelStore, source: string, chosen: ModelsOptions): Promise<number> {
  const { name, precisions, revision, keep } = chosen;
  const interrupt = onInterrupt();
  const progress = new Progress();
  const onConvert = ({ group, done, total }: AddProgress) =>
    progress.show("converting", done, total, group);
  const adding = {
    name,
    ...precisions,
    // A source that holds more than q4 is kept so where nobody asks for q4: calibrating is asking.
    ...(chosen.calibrate && {
      precision: precisions.precision ?? "q4",
      calibrate: await calibration(),
    }),
    signal: interrupt.signal,
  };
  const here = await Deno.stat(source).then(() => true, () => false);
  const spec = here ? undefined : parseHubSpec(source);
  if (!here && !spec) {
    throw new UsageError(
      `${source} is no folder or file here, nor owner/name or owner/name:file.gguf of the hub`,
    );
  }
  const forHub = FOR_HUB.find((option) => chosen[option] !== undefined && chosen[option] !== false);
  if (here && forHub) throw new UsageError(`--${forHub} is for a model of the hub`);
  try {
    const model = spec
      ? await addFromHub(store, spec, {
        ...adding,
        revision,
        keep,
        endpoint: endpointOf(chosen.endpoint),
        token: Deno.env.get("HF_TOKEN") || Deno.env.get("HUGGING_FACE_HUB_TOKEN") || undefined,
        onConvert,
        onDownload: ({ file, done, total }) =>
          progress.show(
            "fetching",
            done,
            total,
            `${humanBytes(done)} of ${humanBytes(total)}, ${file}`,
          ),
        onRetry: (why, waitMs) =>
          note(progress, `${why}; trying again in ${Math.ceil(waitMs / 1000)} s`),
        onWait: () => note(progress, "another process is fetching this model: waiting for it"),
      })
      : await store.add(source, { ...adding, onProgress: onConvert });
    progress.end();
    console.log(`${pc.green("added")} ${line(model)}`);
    const kept = /\.gguf$/i.test(spec?.file ?? source) || model.manifest.precision !== "q4";
    if (kept && adding.precision === undefined) console.log(costOfPrecision(model));
    const from = chosen.data === DEFAULT_DATA ? "" : ` --data ${chosen.data}`;
    console.log(`serve it: ${PROGRAM} start --model ${model.manifest.name}${from}`);
    return exitCodes.ok;
  } catch (error) {
    progress.end();
    if (!interrupt.signal.aborted) throw error;
    console.error("interrupted; the same command goes on where it stopped");
    return exitCodes.interrupted;
  }
}

/** The engine is large: it is loaded only where a calibration is asked for. */
async function calibration(): Promise<AddOptions["calibrate"]> {
  return (await import("../quality/mod.ts")).calibrate;
}

/** Prints a line below the progress line. */
function note(progress: Progress, text: string): void {
  progress.end();
  console.error(text);
}

/** The hub's base URL: the option, else `HF_ENDPOINT`; undefined: the hub's own. */
function endpointOf(option: string | undefined): string | undefined {
  const text = option ?? (Deno.env.get("HF_ENDPOINT") || undefined);
  return text === undefined ? undefined : urlOption("endpoint", text);
}

async function show(store: ModelStore, name: string, json: boolean): Promise<number> {
  const { manifest } = await store.get(name);
  const known = facts(manifest);
  if (json) {
    console.log(JSON.stringify(known, null, 2));
    return exitCodes.ok;
  }
  const rows = Object.entries(known).map(([key, value]) => [
    key.replaceAll("_", " "),
    key.includes("bytes") ? `${value} (${humanBytes(value as number)})` : String(value),
  ]);
  if (manifest.origin !== undefined) rows.push(["origin", manifest.origin]);
  console.log(pc.bold(name));
  console.log(table(rows));
  return exitCodes.ok;
}

/** The model of this name; undefined: all models of the store. */
async function entriesOf(store: ModelStore, name: string | undefined): Promise<StoreEntry[]> {
  return name === undefined
    ? await store.entries()
    : [{ state: "ok", name, model: await store.get(name) }];
}

async function list(store: ModelStore, name: string | undefined, json: boolean): Promise<number> {
  const found = await entriesOf(store, name);
  if (json) {
    const all = found.map((entry) => {
      if (entry.state === "broken") return { name: entry.name, error: entry.reason };
      const { manifest } = entry.model;
      return { name: manifest.name, bytes: modelBytes(manifest), ...facts(manifest) };
    });
    console.log(JSON.stringify(all, null, 2));
  } else if (found.length === 0) {
    console.log(`${store.dir} holds no models; add one: ${PROGRAM} models add owner/name`);
  } else {
    const head = ["name", "architecture", "layers", "parameters", "precision", "context", "size"];
    const rows = found.map((entry) => {
      if (entry.state === "broken") {
        return [entry.name, pc.red("broken"), ...Array(head.length - 2).fill("-")];
      }
      const { manifest } = entry.model;
      const { architecture, layers, parameters, precision, context } = facts(manifest);
      const size = humanBytes(modelBytes(manifest));
      return [
        manifest.name,
        architecture,
        `${layers}`,
        millions(parameters),
        precision,
        `${context}`,
        size,
      ];
    });
    console.log(table([head.map(pc.bold), ...rows]));
  }
  return exitCodes.ok;
}

/** What `verify` found of a model. */
interface Verified {
  name: string;
  ok: boolean;
  problems: BlobProblem[];
  /** Why its manifest cannot be read, or why no token could be run through it. */
  error?: string;
  /** With `--deep`: what it made of one token. */
  deep?: OneToken;
}

async function verifyOne(store: ModelStore, entry: StoreEntry, deep: boolean): Promise<Verified> {
  const { name } = entry;
  if (entry.state === "broken") return { name, ok: false, problems: [], error: entry.reason };
  const problems = await store.verify(name);
  if (problems.length > 0 || !deep) return { name, ok: problems.length === 0, problems };
  const { runOneToken } = await import("./one_token.ts"); // the engine is large
  try {
    return { name, ok: true, problems, deep: await runOneToken(entry.model) };
  } catch (error) {
    return { name, ok: false, problems, error: toOrreryError(error).message };
  }
}

async function verify(
  store: ModelStore,
  name: string | undefined,
  { json, deep }: { json: boolean; deep: boolean },
): Promise<number> {
  const results: Verified[] = [];
  for (const entry of await entriesOf(store, name)) {
    const result = await waitingFor(`verifying ${entry.name}`, verifyOne(store, entry, deep));
    results.push(result);
    if (json) continue;
    const ran = result.deep ? `: token ${result.deep.next} follows ${result.deep.given}` : "";
    console.log(`${result.ok ? pc.green("ok") : pc.red("damaged")} ${result.name}${ran}`);
    if (result.error !== undefined) console.log(`  ${result.error}`);
    for (const { role, problem, sha256 } of result.problems) {
      console.log(`  ${role} is ${problem} (blob ${sha256})`);
    }
  }
  if (json) console.log(JSON.stringify(name === undefined ? results : results[0], null, 2));
  const damaged = results.filter(({ ok }) => !ok);
  if (damaged.length === 0) return exitCodes.ok;
  const names = damaged.map((result) => result.name).join(", ");
  console.error(`error: ${names} damaged; remove and add again what is damaged`);
  return exitCodes.failed;
}

/** One line about a model that was added. */
function line({ manifest }: StoredModel): string {
  const { architecture, layers, parameters, precision } = facts(manifest);
  const size = humanBytes(modelBytes(manifest));
  return `${manifest.name}: ${architecture}, ${layers} layers, ${
    millions(parameters)
  } parameters, ${precision}, ${size}`;
}

/** Bytes of a weight, roughly. */
const WEIGHT_BYTES = { q4: 0.53, q4m: 0.72, q8: 1.03, f16: 2, f32: 4 } as const;

/** What keeping the precision of a GGUF file or a quantised folder costs, and which other one there is. */
function costOfPrecision({ manifest }: StoredModel): string {
  const { precision } = manifest;
  const [other, effect] = precision === "q4"
    ? ["q8" as const, "would keep 4-bit types other than Q4_0 exactly"]
    : ["q4" as const, "would round the weights again"];
  const size = modelBytes(manifest) * WEIGHT_BYTES[other] / WEIGHT_BYTES[precision];
  return `${precision} is the nearest to what the file holds; --precision ${other} ${effect} and ` +
    `take about ${humanBytes(size)}`;
}

const millions = (count: number) =>
  count < 1e9 ? `${(count / 1e6).toFixed(1)} M` : `${(count / 1e9).toFixed(2)} G`;

if (import.meta.main) await runCommand(models);
