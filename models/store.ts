/**
 * The model store: converted models by name over content-addressed blobs.
 *
 *     <dir>/blobs/<sha256>             weights, one blob a group of tensors, and the models' text files
 *     <dir>/blobs/stage-*.onnx         stage graphs, beside the blobs that they point to
 *     <dir>/models/<name>/             manifest.json and the text files
 *     <dir>/jobs/<source>.json         groups of a conversion that has not ended: it goes on where it stopped
 *     <dir>/tmp/                       files in the making
 *
 * Everything appears by renaming, so several processes may use one store.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { describe, type Described, type TensorSpec } from "./arch/mod.ts";
import { BlobFolder, removeIfThere } from "./blobs.ts";
import { CONVERTER_VERSION, convertGroup } from "./convert.ts";
import { modelError, reasonOf } from "./errors.ts";
import { type Group, groupSchema, type Manifest, manifestSchema, type Precision } from "./manifest.ts";
import { Checkpoint, readJsonFile } from "./sources/mod.ts";
import { StoredModel } from "./stored_model.ts";
import { endTokens, readTextFiles, TEXT_FILES } from "./text_files.ts";

const journalSchema = z.record(z.string(), groupSchema);
type Journal = z.infer<typeof journalSchema>;

/** How far a conversion is. */
export interface AddProgress {
  /** What was worked on last: `embedding`, `layer 3`, `head`. */
  group: string;
  /** Weights (elements, not bytes) converted so far, those of an earlier run included. */
  done: number;
  /** Weights (elements) of the whole model. */
  total: number;
}

/** Options of {@linkcode ModelStore.add}. */
export interface AddOptions {
  /** Name in the store. @default the folder's name and the precision, e.g. `tinyllama-q4` */
  name?: string;
  /** How the weights are stored. @default "q4" */
  precision?: Precision;
  /** Told after each piece of work, and of each group that was converted before. */
  onProgress?: (progress: AddProgress) => void;
  /** Interrupts the conversion; the groups that are done are kept for the next `add`. */
  signal?: AbortSignal;
}

/** A blob that {@linkcode ModelStore.verify} found wanting. */
export interface BlobProblem {
  /** Name of the blob: the hash that its bytes should have, lower-case hexadecimal. */
  sha256: string;
  /** What it is, e.g. `layer 3` or `tokenizer.json`. */
  role: string;
  /** Not here, or here with bytes that have another hash. */
  problem: "missing" | "changed";
}

/** Converted models in a folder. */
export class ModelStore {
  /** Absolute path. */
  readonly dir: string;
  /** The weights: for fetching from peers (`size`, `partialSize`, `appendPart`, `finishPart`). */
  readonly blobs: BlobFolder;

  private constructor(dir: string, blobs: BlobFolder) {
    this.dir = dir;
    this.blobs = blobs;
  }

  /** Opens a store; the folder is made when absent. Throws `store_unusable`. */
  static async open(dir: string): Promise<ModelStore> {
    const path = resolve(dir);
    return new ModelStore(path, await BlobFolder.open(path));
  }

  /**
   * Converts a checkpoint folder, or finds that it was converted before with the same settings; a model of the same name is
   * replaced. What is unsupported is refused before any work. An interrupted conversion goes on where it stopped.
   */
  async add(source: string, options: AddOptions = {}): Promise<StoredModel> {
    const { precision = "q4", signal } = options;
    const folder = resolve(source);
    const name = options.name ?? defaultName(folder, precision);
    checkName(name);
    const configFile = join(folder, "config.json");
    const described = describe(await readJsonFile(configFile), configFile);
    const texts = await readTextFiles(folder);
    await using checkpoint = await Checkpoint.open(folder);
    const groups = groupsOf(described);
    for (const { specs } of groups) for (const spec of specs) checkpoint.check(spec.name, spec.shape);

    const fingerprint = `converter ${CONVERTER_VERSION} ${precision} ${await checkpoint.fingerprint()}`;
    const id = createHash("sha256").update(fingerprint).digest("hex");
    const progress = { group: "", done: 0, total: weightsOf(groups.flatMap((g) => g.specs)) };
    // Another process may delete a shared blob between its reuse and our manifest: then it is made again.
    for (let attempt = 1;; attempt++) {
      progress.done = 0;
      const done = await this.#convertedBefore(id);
      for (const { key, specs } of groups) {
        signal?.throwIfAborted();
        progress.group = key;
        const found = done[key];
        if (found && await this.blobs.size(found.sha256) === found.bytes) {
          progress.done += weightsOf(specs);
          options.onProgress?.({ ...progress });
          continue;
        }
        const onWeights = (count: number) => {
          progress.done += count;
          options.onProgress?.({ ...progress });
        };
        done[key] = await convertGroup(checkpoint, specs, this.blobs, { precision, signal, onWeights });
        await this.#writeWhole(this.#journalPath(id), JSON.stringify(done));
      }
      const manifest: Manifest = {
        version: 1,
        name,
        geometry: described.geometry,
        precision,
        source: id,
        embedding: done["embedding"],
        layers: described.geometry.layers === 0 ? [] : groups.slice(1, -1).map(({ key }) => done[key]),
        head: done["head"],
        files: await this.#storeTexts(texts),
        ...endTokens(described, texts, folder),
      };
      await this.writeManifest(manifest);
      const missing = (await this.#problems(manifest, false)).length;
      if (missing === 0) {
        await removeIfThere(this.#journalPath(id));
        return await this.get(name);
      }
      if (attempt === 3) {
        throw modelError("store_busy", `${missing} blobs of ${name} were deleted while it was added`);
      }
    }
  }

  /** A model by name; throws `model_unknown` with the names that exist, or `manifest_malformed`. */
  async get(name: string): Promise<StoredModel> {
    checkName(name);
    const dir = join(this.dir, "models", name);
    const path = join(dir, "manifest.json");
    let text: string;
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw modelError("file_unreadable", `${path} cannot be read: ${reasonOf(error)}`, { file: path });
      }
      const names = await this.#names();
      throw modelError(
        "model_unknown",
        `model ${name} is not in ${this.dir}; ${
          names.length ? `there are ${names.join(", ")}` : "it is empty"
        }`,
        { name, names },
      );
    }
    return new StoredModel(parseManifest(text, path), dir, this.blobs);
  }

  /** All models, by name. */
  async list(): Promise<StoredModel[]> {
    return await Promise.all((await this.#names()).map((name) => this.get(name)));
  }

  /** Deletes a model and those of its blobs that no other model uses; throws `model_unknown`. */
  async remove(name: string): Promise<void> {
    const { manifest, dir } = await this.get(name);
    await removeIfThere(dir);
    await this.#collect(manifest);
  }

  /** Hashes a model's blobs again. A node that hosts some of the layers misses the others: `missing` is a fault only where all are due. */
  async verify(name: string, options: { signal?: AbortSignal } = {}): Promise<BlobProblem[]> {
    return await this.#problems((await this.get(name)).manifest, true, options.signal);
  }

  /** Is this blob here, whole? */
  async has(sha256: string): Promise<boolean> {
    return await this.blobs.size(sha256) !== undefined;
  }

  /**
   * Takes a blob from a stream, from byte {@linkcode BlobFolder.partialSize} on, and checks its hash (`blob_hash`). What has
   * arrived when the stream fails is kept: the next call goes on from there.
   */
  async importBlob(
    sha256: string,
    stream: AsyncIterable<Uint8Array>,
    options: { signal?: AbortSignal } = {},
  ): Promise<void> {
    if (await this.has(sha256)) return;
    let offset = await this.blobs.partialSize(sha256);
    for await (const bytes of stream) {
      options.signal?.throwIfAborted();
      await this.blobs.appendPart(sha256, offset, bytes);
      offset += bytes.length;
    }
    await this.blobs.finishPart(sha256, options.signal);
  }

  /** Stores a manifest (a peer's, for one) and puts the text files that are here as blobs beside it. */
  async writeManifest(manifest: Manifest): Promise<StoredModel> {
    const checked = parseManifest(JSON.stringify(manifest), `manifest of ${manifest.name}`);
    const dir = join(this.dir, "models", checked.name);
    const before = await this.get(checked.name).catch(() => undefined);
    await Deno.mkdir(dir, { recursive: true });
    for (const [file, sha256] of Object.entries(checked.files)) {
      if (!await this.has(sha256)) continue;
      const temporary = this.blobs.temporaryPath();
      await Deno.copyFile(this.blobs.path(sha256), temporary);
      await Deno.rename(temporary, join(dir, file));
    }
    await this.#writeWhole(join(dir, "manifest.json"), JSON.stringify(checked, null, 1));
    if (before) await this.#collect(before.manifest);
    return await this.get(checked.name);
  }

  async #names(): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const entry of Deno.readDir(join(this.dir, "models"))) {
        if (entry.isDirectory && await exists(join(this.dir, "models", entry.name, "manifest.json"))) {
          names.push(entry.name);
        }
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return names.sort();
  }

  #journalPath(id: string): string {
    return join(this.dir, "jobs", `${id}.json`);
  }

  /** Groups of this source that some model or an interrupted conversion already has. */
  async #convertedBefore(id: string): Promise<Journal> {
    for (const name of await this.#names()) {
      const known = await this.get(name).catch(() => undefined); // another model's broken manifest is no obstacle
      if (known?.manifest.source === id) return groupsByKey(known.manifest);
    }
    return await readJournal(this.#journalPath(id));
  }

  /** Deletes a former model's blobs that neither a model nor a running conversion uses. */
  async #collect(former: Manifest): Promise<void> {
    const used = new Set<string>();
    for (const { manifest } of await this.list()) {
      for (const { sha256 } of blobsOf(manifest)) used.add(sha256);
    }
    const jobs = join(this.dir, "jobs");
    if (await exists(jobs)) {
      for await (const { name } of Deno.readDir(jobs)) {
        for (const group of Object.values(await readJournal(join(jobs, name)))) used.add(group.sha256);
      }
    }
    for (const { sha256 } of blobsOf(former)) if (!used.has(sha256)) await this.blobs.remove(sha256);
  }

  async #problems(manifest: Manifest, rehash: boolean, signal?: AbortSignal): Promise<BlobProblem[]> {
    const problems: BlobProblem[] = [];
    for (const { sha256, role } of blobsOf(manifest)) {
      if (!await this.has(sha256)) problems.push({ sha256, role, problem: "missing" });
      else if (rehash && await this.blobs.hash(sha256, signal) !== sha256) {
        problems.push({ sha256, role, problem: "changed" });
      }
    }
    return problems;
  }

  async #storeTexts(texts: Map<string, Uint8Array>): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for (const [file, bytes] of texts) {
      await using writer = await this.blobs.create();
      await writer.write(bytes);
      files[file] = (await writer.finish()).sha256;
    }
    return files;
  }

  async #writeWhole(path: string, text: string): Promise<void> {
    const temporary = this.blobs.temporaryPath();
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(temporary, text);
    await Deno.rename(temporary, path);
  }
}

/** Every blob of a model with what it is. */
export function blobsOf(manifest: Manifest): { sha256: string; role: string }[] {
  const groups = Object.entries(groupsByKey(manifest)).map(([role, { sha256 }]) => ({ sha256, role }));
  return [...groups, ...Object.entries(manifest.files).map(([role, sha256]) => ({ sha256, role }))];
}

function groupsByKey(manifest: Manifest): Journal {
  const layers = manifest.layers.map((group, index): [string, Group] => [`layer ${index}`, group]);
  return { embedding: manifest.embedding, ...Object.fromEntries(layers), head: manifest.head };
}

function groupsOf({ architecture, geometry }: Described): { key: string; specs: TensorSpec[] }[] {
  const plan = architecture.tensors(geometry);
  return [
    { key: "embedding", specs: plan.embedding },
    ...plan.layers.map((specs, index) => ({ key: `layer ${index}`, specs })),
    { key: "head", specs: plan.head },
  ];
}

const weightsOf = (specs: TensorSpec[]): number =>
  specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

function defaultName(folder: string, precision: Precision): string {
  return `${basename(folder).replace(/[^A-Za-z0-9._~-]+/g, "-").slice(0, 120)}-${precision}`;
}

function checkName(name: string): void {
  if (!manifestSchema.shape.name.safeParse(name).success || /^\.+$/.test(name)) {
    throw modelError(
      "model_name",
      `${
        JSON.stringify(name)
      } cannot name a model; use 1 to 128 letters, digits, dots, underscores, tildes and hyphens`,
      { name },
    );
  }
}

function parseManifest(text: string, path: string): Manifest {
  let reason: string;
  try {
    const parsed = manifestSchema.safeParse(JSON.parse(text));
    const stray = Object.keys(parsed.data?.files ?? {}).find((file) =>
      !TEXT_FILES.includes(file as typeof TEXT_FILES[number])
    );
    if (parsed.success && stray === undefined) return parsed.data;
    const issue = parsed.error?.issues[0];
    reason = issue
      ? `${issue.path.join(".")}: ${issue.message}`
      : `file ${JSON.stringify(stray)} is not one that a model has`;
  } catch (error) {
    reason = reasonOf(error);
  }
  throw modelError("manifest_malformed", `${path}: ${reason}; add the model again`, { file: path });
}

async function readJournal(path: string): Promise<Journal> {
  try {
    return journalSchema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch {
    return {}; // absent, or of another version: the work is done again
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
