/**
 * The model store: converted models by name over content-addressed blobs.
 *
 *     <dir>/blobs/<sha256>        weights, one blob for each group of tensors, and text files
 *     <dir>/blobs/stage-*.onnx    stage graphs, beside the blobs that they refer to
 *     <dir>/models/<name>/        manifest.json and the text files
 *     <dir>/jobs/<source>.json    finished groups of a conversion that can go on
 *     <dir>/tmp/                  files that are being written
 *     <dir>/in-use/<name>~<id>    locked by a node that serves a model
 *     <dir>/lock                  locked while a model is published or removed
 *
 * Files are written in `tmp` and renamed into place, and blobs are deleted under the same lock
 * under which manifests are published, so several processes may use one store.
 *
 * @module
 */
import { basename, join, resolve } from "node:path";
import type { Calibration } from "../calibration/mod.ts";
import { BlobFolder } from "./blobs.ts";
import { removeIfThere } from "./files.ts";
import {
  type AddProgress,
  Conversion,
  conversionId,
  groupsByKey,
  type Journal,
  writeWhole,
} from "./conversion.ts";
import type { Precisions } from "./planned_groups.ts";
import { freeBytes } from "./disk.ts";
import { modelError, reasonOf } from "../errors.ts";
import { readIfThere } from "../files.ts";
import { collectGarbage, hashesIn } from "./garbage.ts";
import { lockFile } from "./lock.ts";
import {
  type Block,
  endFormatFor,
  type Manifest,
  manifestSchema,
  type Precision,
  type TensorFormat,
  type WeightGroups,
} from "../manifest.ts";
import { checkTexts } from "./check_texts.ts";
import { checkUnused, type ModelUser, useModel } from "./model_use.ts";
import { ModelParts } from "./model_parts.ts";
import { type ModelSource, openModelSource } from "./model_source.ts";
import { StoredModel } from "./stored_model.ts";
import { endTokens, TEXT_FILES } from "./text_files.ts";

/** Conversions in one `add`, if other processes delete blobs of the model meanwhile. */
const ADD_ATTEMPTS = 3;

/** Options of {@linkcode ModelStore.add}. */
export interface AddOptions {
  /** Name in the store. @default the folder's name and the precision, e.g. `tinyllama-q4` */
  name?: string;
  /** Precision of the weights. @default "q4", and of a GGUF file the nearest to what it holds */
  precision?: Precision;
  /** Longest context, in rows. @default the longest for which the rotation is that of short texts */
  context?: number;
  /** Precision of the embedding. @default "q8" in a q4 or q4m model, else as `precision` */
  embeddingPrecision?: TensorFormat;
  /** Precision of the LM head. @default "q8" in a q4 or q4m model, else as `precision` */
  headPrecision?: TensorFormat;
  /**
   * Inputs that share a scale in q4 and q8: a smaller block is nearer to the source, a larger one
   * is smaller and quicker. A tensor takes the largest block up to this that divides its inputs.
   * @default for each kind of tensor as `blockFor` in models/quantise.ts says
   */
  block?: Block;
  /**
   * Runs texts through the model's layers, so that its projections in q4 make up for each other's
   * errors: `calibrate` of `runtime/quality/`. It disposes of the parts. @default they are rounded
   * one by one
   */
  calibrate?: (parts: ModelParts, options: { signal?: AbortSignal }) => Promise<Calibration>;
  /**
   * Exact identity of the source, e.g. `owner/name@commit` of a hub. It is written into the
   * manifest, and one origin is converted only once, whatever folder it lies in. @default a hash of
   * the source's files
   */
  origin?: string;
  /** Called after each converted piece, and once for each group that was converted before. */
  onProgress?: (progress: AddProgress) => void;
  /** Interrupts the conversion; finished groups are kept for the next `add`. */
  signal?: AbortSignal;
  /**
   * Whether finished groups of a conversion that is interrupted, or for which the disk has no room,
   * stay for the next `add`. @default true
   */
  keepUnfinished?: boolean;
}

/** A missing or damaged blob that {@linkcode ModelStore.verify} found. */
export interface BlobProblem {
  /** Name of the blob: the hash that its bytes should have, lower-case hexadecimal. */
  sha256: string;
  /** Part of the model that the blob holds, e.g. `layer 3` or `tokenizer.json`. */
  role: string;
  /** `missing`: not on this node. `changed`: its bytes have another hash. */
  problem: "missing" | "changed";
}

/** A model as {@linkcode ModelStore.entries} lists it. */
export type StoreEntry =
  | { state: "ok"; name: string; model: StoredModel }
  /** The manifest cannot be read; `reason` says why. The model can be removed or added again. */
  | { state: "broken"; name: string; reason: string };

/** Options of {@linkcode ModelStore.open}. */
export interface StoreOptions {
  /**
   * Returns the free bytes of the file system of a folder. @default as the operating system says
   */
  freeBytes?: (dir: string) => Promise<number>;
}

/** Converted models in a folder. */
export class ModelStore {
  /** Absolute path of the store. */
  readonly dir: string;
  /**
   * The blobs, with what fetching from other nodes needs (`size`, `partialBytes`, `openPartial`).
   */
  readonly blobs: BlobFolder;
  readonly #freeBytes: (dir: string) => Promise<number>;

  private constructor(dir: string, blobs: BlobFolder, options: StoreOptions) {
    this.dir = dir;
    this.blobs = blobs;
    this.#freeBytes = options.freeBytes ?? freeBytes;
  }

  /** Opens a store; the folder is created if absent. Throws OrreryError `model/store_unusable`. */
  static async open(dir: string, options: StoreOptions = {}): Promise<ModelStore> {
    const path = resolve(dir);
    return new ModelStore(path, await BlobFolder.open(path), options);
  }

  /**
   * Converts a checkpoint, or finds that it was converted before with the same settings; a model of
   * the same name is replaced. Before any work it refuses what is unsupported or does not fit the
   * disk (OrreryError `model/disk_full`). An interrupted conversion goes on where it stopped; one
   * that fails because the checkpoint is faulty leaves nothing behind.
   */
  async add(source: string, options: AddOptions = {}): Promise<StoredModel> {
    const { signal, onProgress, origin, context } = options;
    await using opened = await openModelSource(source, { context });
    const { precision = opened.precision } = options;
    const name = options.name ?? defaultName(opened.name, precision);
    checkName(name);
    const { described, texts, path } = opened;
    const ends = endTokens(described, texts, path);
    checkTexts(texts, described.geometry, path);
    const precisions = precisionsOf({ ...options, precision });
    const { calibrate } = options;
    const conversion = await Conversion.plan(opened, {
      precisions,
      ...(calibrate && precisions.calibrated && {
        calibrate: async () => await calibrate(await this.parts(opened), { signal }),
      }),
      origin,
      dir: this.dir,
      blobs: this.blobs,
      freeBytes: this.#freeBytes,
      onProgress,
      signal,
    });
    // Another process may delete a shared blob after we found it and before our manifest names it.
    // Then the blob is made again.
    for (let attempt = 1;; attempt++) {
      const manifest: Manifest = {
        version: 1,
        name,
        geometry: described.geometry,
        precision,
        ...(precisions.calibrated && { calibrated: true }),
        source: conversion.id,
        ...await this.#convert(conversion, options.keepUnfinished ?? true),
        files: await this.#storeTexts(texts),
        ...ends,
        origin,
      };
      const { model, missing } = await this.#publish(manifest);
      if (missing === 0) {
        await conversion.forget();
        return model;
      }
      if (attempt === ADD_ATTEMPTS) {
        throw modelError(
          "store_busy",
          `${missing} blobs of ${name} were deleted while it was added`,
        );
      }
    }
  }

  /** Takes a source, or a model of this store, apart in a folder of the store. */
  async parts(source: ModelSource | StoredModel): Promise<ModelParts> {
    const folder = join(this.dir, "tmp");
    return "described" in source
      ? await ModelParts.ofSource(source, folder)
      : await ModelParts.ofStored(source, folder);
  }

  /**
   * Finds a model that was converted from this origin with these settings, and stores it under
   * `name` too. Undefined if there is none, or if a blob of it is missing.
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

  /**
   * A model by name. Throws OrreryError `model/model_not_found`, which lists the models that exist,
   * or `model/manifest_malformed`.
   */
  async get(name: string): Promise<StoredModel> {
    checkName(name);
    const dir = join(this.dir, "models", name);
    const path = join(dir, "manifest.json");
    const bytes = await readIfThere(path);
    if (!bytes) throw await this.#unknown(name);
    const manifest = parseManifest(new TextDecoder().decode(bytes), path);
    return new StoredModel(manifest, dir, this.blobs.dir);
  }

  /** All models in the order of their names, those with an unreadable manifest too. */
  async entries(): Promise<StoreEntry[]> {
    const entries: StoreEntry[] = [];
    for (const name of await this.#names()) {
      try {
        entries.push({ state: "ok", name, model: await this.get(name) });
      } catch (error) {
        // Another process removed it after it was listed.
        if ((error as { code?: string }).code === "model_not_found") continue;
        entries.push({ state: "broken", name, reason: reasonOf(error) });
      }
    }
    return entries;
  }

  /** All models with a readable manifest, in the order of their names. */
  async list(): Promise<StoredModel[]> {
    return (await this.entries()).flatMap((entry) => entry.state === "ok" ? [entry.model] : []);
  }

  /**
   * Deletes a model (a broken one too), and those of its blobs, stage graphs and tables that no
   * other model uses. Throws OrreryError `model/model_not_found`, and `model/model_in_use` while a
   * node of this store serves it.
   */
  async remove(name: string): Promise<void> {
    checkName(name);
    using _locked = await this.#lock();
    const dir = join(this.dir, "models", name);
    if (!await exists(join(dir, "manifest.json"))) throw await this.#unknown(name);
    await checkUnused(this.dir, name);
    const hashes = await hashesIn(join(dir, "manifest.json"));
    await removeIfThere(dir);
    await collectGarbage(this.dir, this.blobs, hashes);
  }

  /** Says that a node uses a model, until the result is disposed of: it is not removed then. */
  async use(name: string, user: ModelUser): Promise<Disposable> {
    checkName(name);
    using _locked = await this.#lock();
    return await useModel(this.dir, name, user);
  }

  /**
   * Hashes a model's blobs again. A node that runs some of the layers has only their blobs, so
   * `missing` is a fault only on a node that should have all of them.
   */
  async verify(name: string, options: { signal?: AbortSignal } = {}): Promise<BlobProblem[]> {
    return await this.#problems((await this.get(name)).manifest, true, options.signal);
  }

  /** Free bytes of the file system on which the store is. */
  async freeBytes(): Promise<number> {
    return await this.#freeBytes(this.dir);
  }

  /** Whether the whole blob is in this store. */
  async has(sha256: string): Promise<boolean> {
    return await this.blobs.size(sha256) !== undefined;
  }

  /**
   * Stores a manifest, for example one from a peer, and beside it those of its text files whose
   * blobs are here.
   */
  async writeManifest(manifest: Manifest): Promise<StoredModel> {
    return (await this.#publish(manifest)).model;
  }

  /**
   * Stores a manifest, deletes what only the manifest before it used, and counts its blobs that are
   * missing. It holds the lock throughout. So a process that deletes blobs either does so later and
   * sees this manifest, or has done so before, and they are counted as missing.
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

  /**
   * Runs a conversion. If the checkpoint turns out to be faulty, or without `keepUnfinished` when
   * the conversion fails for any reason, what was converted until then is deleted.
   */
  async #convert(conversion: Conversion, keepUnfinished: boolean): Promise<WeightGroups> {
    try {
      return await conversion.run(await this.#convertedBefore(conversion.id));
    } catch (error) {
      const { group, code } = error as { group?: string; code?: string };
      if (!keepUnfinished || (group === "model" && code !== "disk_full")) {
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

  /**
   * The groups of a model that was converted from this source before; undefined if there is none.
   */
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

/** Every blob of a model with the part of the model that it holds. */
export function blobsOf(manifest: Manifest): { sha256: string; role: string }[] {
  const groups = Object.entries(groupsByKey(manifest)).map(([role, { sha256 }]) => ({
    sha256,
    role,
  }));
  return [...groups, ...Object.entries(manifest.files).map(([role, sha256]) => ({ sha256, role }))];
}

/** The precisions that the options state or imply. */
function precisionsOf(
  { precision = "q4", embeddingPrecision, headPrecision, block, context, calibrate }: AddOptions,
): Precisions {
  const vocabulary = endFormatFor(precision);
  return {
    precision,
    embedding: embeddingPrecision ?? vocabulary,
    head: headPrecision ?? vocabulary,
    block,
    context,
    calibrated: calibrate !== undefined && (precision === "q4" || precision === "q4m"),
  };
}

/** Name of a model that was given none: the last step of its path, and its precision. */
export function defaultName(folder: string, precision: Precision): string {
  return `${basename(folder).replace(/[^A-Za-z0-9._~-]+/g, "-").slice(0, 120)}-${precision}`;
}

function checkName(name: string): void {
  if (!manifestSchema.shape.name.safeParse(name).success) {
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
