/**
 * The model store: converted models by name over content-addressed blobs.
 *
 *     <dir>/blobs/<sha256>             weights, one blob a group of tensors, and the models' text files
 *     <dir>/blobs/stage-*.onnx         stage graphs, beside the blobs that they point to
 *     <dir>/models/<name>/             manifest.json and the text files
 *     <dir>/jobs/<source>.json         groups of a conversion that has not ended: it goes on where it stopped
 *     <dir>/tmp/                       files in the making
 *     <dir>/lock                       held for a moment by who publishes or removes a model
 *
 * Everything appears by renaming, and blobs are deleted under the lock that manifests are published
 * under, so several processes may use one store.
 *
 * @module
 */
import { basename, join, resolve } from "node:path";
import { BlobFolder, removeIfThere } from "./blobs.ts";
import {
  type AddProgress,
  Conversion,
  conversionId,
  groupsByKey,
  type Journal,
  type Precisions,
  writeWhole,
} from "./conversion.ts";
import { freeBytes } from "./disk.ts";
import { modelError, reasonOf } from "../errors.ts";
import { readIfThere } from "../files.ts";
import { collectGarbage, hashesIn } from "./garbage.ts";
import { lockFile } from "./lock.ts";
import { type Manifest, manifestSchema, type Precision } from "../manifest.ts";
import { openModelSource } from "./model_source.ts";
import { StoredModel } from "./stored_model.ts";
import { endTokens, TEXT_FILES } from "./text_files.ts";

/** Options of {@linkcode ModelStore.add}. */
export interface AddOptions {
  /** Name in the store. @default the folder's name and the precision, e.g. `tinyllama-q4` */
  name?: string;
  /** How the weights are stored. @default "q4" */
  precision?: Precision;
  /** How the embedding is stored. @default "q8" in a q4 model, else as `precision` says */
  embeddingPrecision?: Precision;
  /** How the LM head is stored. @default "q8" in a q4 model, else as `precision` says */
  headPrecision?: Precision;
  /**
   * Says exactly what the source is, e.g. `owner/name@commit` of a hub: it stands in the manifest,
   * and the same origin converts only once, whatever the folder. @default the files themselves tell
   */
  origin?: string;
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

/** A model as {@linkcode ModelStore.entries} finds it. */
export type StoreEntry =
  | { state: "ok"; name: string; model: StoredModel }
  /** Its manifest cannot be read, and why; it can be removed or added again. */
  | { state: "broken"; name: string; reason: string };

/** Options of {@linkcode ModelStore.open}. */
export interface StoreOptions {
  /**
   * Bytes that can still be written to the file system of a folder. @default what the operating
   * system says
   */
  freeBytes?: (dir: string) => Promise<number>;
}

/** Converted models in a folder. */
export class ModelStore {
  /** Absolute path. */
  readonly dir: string;
  /** The weights: for fetching from peers (`size`, `partialSize`, `appendPart`, `finishPart`). */
  readonly blobs: BlobFolder;
  readonly #freeBytes: (dir: string) => Promise<number>;

  private constructor(dir: string, blobs: BlobFolder, options: StoreOptions) {
    this.dir = dir;
    this.blobs = blobs;
    this.#freeBytes = options.freeBytes ?? freeBytes;
  }

  /** Opens a store; the folder is made when absent. Throws `store_unusable`. */
  static async open(dir: string, options: StoreOptions = {}): Promise<ModelStore> {
    const path = resolve(dir);
    return new ModelStore(path, await BlobFolder.open(path), options);
  }

  /**
   * Converts a checkpoint, or finds that it was converted before with the same settings; a model of
   * the same name is replaced. What is unsupported or does not fit the disk (`disk_full`) is
   * refused before any work. An interrupted conversion goes on where it stopped; one that a fault
   * of the checkpoint ends leaves nothing behind.
   */
  async add(source: string, options: AddOptions = {}): Promise<StoredModel> {
    const { precision = "q4", signal, onProgress, origin } = options;
    await using opened = await openModelSource(source);
    const name = options.name ?? defaultName(opened.name, precision);
    checkName(name);
    const { described, texts, path } = opened;
    const ends = endTokens(described, texts, path);
    const conversion = await Conversion.plan(opened, {
      precisions: precisionsOf(options),
      origin,
      dir: this.dir,
      blobs: this.blobs,
      freeBytes: this.#freeBytes,
      onProgress,
      signal,
    });
    // Another process may delete a shared blob between its reuse and our manifest: then it is made
    // again.
    for (let attempt = 1;; attempt++) {
      const manifest: Manifest = {
        version: 1,
        name,
        geometry: described.geometry,
        precision,
        source: conversion.id,
        ...await this.#convert(conversion),
        files: await this.#storeTexts(texts),
        ...ends,
        origin,
      };
      const { model, missing } = await this.#publish(manifest);
      if (missing === 0) {
        await conversion.forget();
        return model;
      }
      if (attempt === 3) {
        throw modelError(
          "store_busy",
          `${missing} blobs of ${name} were deleted while it was added`,
        );
      }
    }
  }

  /**
   * Finds a model that was converted from this origin with these settings, and gives it the name
   * that is wanted; undefined when it was not, or when some of it is missing.
   */
  async findConverted(
    options: AddOptions & { name: string; origin: string },
  ): Promise<StoredModel | undefined> {
    const { name, origin } = options;
    checkName(name);
    const id = conversionId(origin, precisionsOf(options));
    for (const known of await this.list()) {
      if (
        known.manifest.source !== id || (await this.#problems(known.manifest, false)).length > 0
      ) continue;
      return known.manifest.name === name
        ? known
        : await this.writeManifest({ ...known.manifest, name });
    }
    return undefined;
  }

  /** A model by name; throws `model_not_found` with the names that exist, or `manifest_malformed`. */
  async get(name: string): Promise<StoredModel> {
    checkName(name);
    const dir = join(this.dir, "models", name);
    const path = join(dir, "manifest.json");
    const bytes = await readIfThere(path);
    if (!bytes) throw await this.#unknown(name);
    const manifest = parseManifest(new TextDecoder().decode(bytes), path);
    return new StoredModel(manifest, dir, this.blobs.dir);
  }

  /** All models in the order of their names, also those whose manifest cannot be read. */
  async entries(): Promise<StoreEntry[]> {
    const entries: StoreEntry[] = [];
    for (const name of await this.#names()) {
      try {
        entries.push({ state: "ok", name, model: await this.get(name) });
      } catch (error) {
        if ((error as { code?: string }).code === "model_not_found") continue; // removed since it was listed
        entries.push({ state: "broken", name, reason: reasonOf(error) });
      }
    }
    return entries;
  }

  /** All models that can be read, in the order of their names. */
  async list(): Promise<StoredModel[]> {
    return (await this.entries()).flatMap((entry) => entry.state === "ok" ? [entry.model] : []);
  }

  /**
   * Deletes a model, broken ones too, and those of its blobs, stage graphs and tables that no other
   * model uses; throws `model_not_found`. A node that runs the model goes on with what it has loaded.
   */
  async remove(name: string): Promise<void> {
    checkName(name);
    using _locked = await this.#lock();
    const dir = join(this.dir, "models", name);
    if (!await exists(join(dir, "manifest.json"))) throw await this.#unknown(name);
    const hashes = await hashesIn(join(dir, "manifest.json"));
    await removeIfThere(dir);
    await collectGarbage(this.dir, this.blobs, hashes);
  }

  /**
   * Hashes a model's blobs again. A node that hosts some of the layers misses the others: `missing`
   * is a fault only where all are due.
   */
  async verify(name: string, options: { signal?: AbortSignal } = {}): Promise<BlobProblem[]> {
    return await this.#problems((await this.get(name)).manifest, true, options.signal);
  }

  /** Is this blob here, whole? */
  async has(sha256: string): Promise<boolean> {
    return await this.blobs.size(sha256) !== undefined;
  }

  /**
   * Takes a blob from a stream, from byte {@linkcode BlobFolder.partialSize} on, and checks its
   * hash (`blob_hash`). What has arrived when the stream fails is kept: the next call goes on from
   * there.
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

  /**
   * Stores a manifest (a peer's, for one) and puts the text files that are here as blobs beside it.
   */
  async writeManifest(manifest: Manifest): Promise<StoredModel> {
    return (await this.#publish(manifest)).model;
  }

  /**
   * Stores a manifest, collects what only its predecessor used, and counts its blobs that are not
   * here. Under the lock: who deletes blobs sees the manifest, or it sees that they are gone.
   */
  async #publish(manifest: Manifest): Promise<{ model: StoredModel; missing: number }> {
    const checked = parseManifest(JSON.stringify(manifest), `manifest of ${manifest.name}`);
    const dir = join(this.dir, "models", checked.name);
    const path = join(dir, "manifest.json");
    using _locked = await this.#lock();
    const before = await hashesIn(path);
    await Deno.mkdir(dir, { recursive: true });
    for (const [file, sha256] of Object.entries(checked.files)) {
      if (!await this.has(sha256)) continue;
      const temporary = this.blobs.temporaryPath();
      await Deno.copyFile(this.blobs.path(sha256), temporary);
      await Deno.rename(temporary, join(dir, file));
    }
    await writeWhole(this.blobs, path, JSON.stringify(checked, null, 1));
    if (before.size > 0) await collectGarbage(this.dir, this.blobs, before);
    const missing = (await this.#problems(checked, false)).length;
    return { model: new StoredModel(checked, dir, this.blobs.dir), missing };
  }

  /** Runs a conversion; what a faulty checkpoint gave until then is deleted. */
  async #convert(conversion: Conversion): Promise<Pick<Manifest, "embedding" | "layers" | "head">> {
    try {
      return await conversion.run(await this.#convertedBefore(conversion.id));
    } catch (error) {
      const { group, code } = error as { group?: string; code?: string };
      if (group === "model" && code !== "disk_full") {
        using _locked = await this.#lock();
        await collectGarbage(this.dir, this.blobs, await conversion.forget());
      }
      throw error;
    }
  }

  async #lock(): Promise<Disposable> {
    return await lockFile(join(this.dir, "lock"));
  }

  async #unknown(name: string): Promise<Error> {
    const names = await this.#names();
    return modelError(
      "model_not_found",
      `model ${name} is not in ${this.dir}; ${
        names.length ? `there are ${names.join(", ")}` : "it is empty"
      }`,
      { name, names },
    );
  }

  async #names(): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const entry of Deno.readDir(join(this.dir, "models"))) {
        if (
          entry.isDirectory && await exists(join(this.dir, "models", entry.name, "manifest.json"))
        ) {
          names.push(entry.name);
        }
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    return names.sort();
  }

  /** Groups of this source that some model already has. */
  async #convertedBefore(id: string): Promise<Journal | undefined> {
    const known = (await this.list()).find(({ manifest }) => manifest.source === id);
    return known && groupsByKey(known.manifest);
  }

  async #problems(
    manifest: Manifest,
    rehash: boolean,
    signal?: AbortSignal,
  ): Promise<BlobProblem[]> {
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
}

/** Every blob of a model with what it is. */
export function blobsOf(manifest: Manifest): { sha256: string; role: string }[] {
  const groups = Object.entries(groupsByKey(manifest)).map(([role, { sha256 }]) => ({
    sha256,
    role,
  }));
  return [...groups, ...Object.entries(manifest.files).map(([role, sha256]) => ({ sha256, role }))];
}

/** The precisions that the options choose or leave to the rule. */
function precisionsOf(
  { precision = "q4", embeddingPrecision, headPrecision }: AddOptions,
): Precisions {
  const vocabulary = precision === "q4" ? "q8" : precision;
  return {
    precision,
    embedding: embeddingPrecision ?? vocabulary,
    head: headPrecision ?? vocabulary,
  };
}

/** What a model is called that was given no name: the last step of its path and its precision. */
export function defaultName(folder: string, precision: Precision): string {
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

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
