/**
 * Converts a model group by group, with a journal of the finished groups, so that an interrupted
 * conversion can go on.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { TensorSpec } from "../arch/mod.ts";
import { type Calibration, CALIBRATION_VERSION, factorsOf } from "../calibration/mod.ts";
import type { BlobFolder } from "./blobs.ts";
import { removeIfThere } from "./files.ts";
import { CONVERTER_VERSION, convertGroup, groupBytes } from "./convert.ts";
import { diskFull, isNoSpace } from "./disk.ts";
import { modelError } from "../errors.ts";
import { type Group, groupSchema, type Manifest, type WeightGroups } from "../manifest.ts";
import type { ModelSource } from "./model_source.ts";
import {
  isLayer,
  LAYER,
  PART,
  type PlannedGroup,
  plannedGroups,
  type Precisions,
} from "./planned_groups.ts";
import type { WeightSource } from "../sources/mod.ts";
import { checkTensor } from "./tensor_parts.ts";

/** Bytes that stay free for the text files and for the file system itself. */
const SPARE_BYTES = 32 << 20;

const journalSchema = z.record(z.string(), groupSchema);

/** Converted groups by key: `embedding`, `layer 3`, `head`, `head part 0`. */
export type Journal = z.infer<typeof journalSchema>;

/** Progress of a conversion. */
export interface AddProgress {
  /** Group that was worked on last: `embedding`, `layer 3`, `head`, `head part 0`. */
  group: string;
  /** Weights (elements, not bytes) converted so far, those of an earlier run included. */
  done: number;
  /** Weights (elements) of the whole model. */
  total: number;
}

/** What a {@linkcode Conversion} works on. */
export interface ConversionOptions {
  precisions: Precisions;
  /** Exact identity of the source. @default its fingerprint */
  origin?: string;
  /** Folder of the store. */
  dir: string;
  blobs: BlobFolder;
  /** Returns the free bytes of the file system of a folder. */
  freeBytes: (dir: string) => Promise<number>;
  /** Begins to run the calibration's texts; undefined where nothing is calibrated. */
  calibrate?: () => Promise<Calibration>;
  onProgress?: (progress: AddProgress) => void;
  signal?: AbortSignal;
}

/** The conversion of one source with one choice of precisions. */
export class Conversion {
  /** Hash of the source and of all settings that decide the result. */
  readonly id: string;
  readonly #weights: WeightSource;
  readonly #groups: PlannedGroup[];
  readonly #options: ConversionOptions;

  private constructor(
    id: string,
    weights: WeightSource,
    groups: PlannedGroup[],
    options: ConversionOptions,
  ) {
    this.id = id;
    this.#weights = weights;
    this.#groups = groups;
    this.#options = options;
  }

  /**
   * Prepares a conversion: checks that every tensor exists in the shape that the architecture
   * needs.
   */
  static async plan(source: ModelSource, options: ConversionOptions): Promise<Conversion> {
    const groups = plannedGroups(source.described, options.precisions);
    for (const { specs } of groups) for (const spec of specs) checkTensor(source.weights, spec);
    checkLayers(source);
    const id = conversionId(options.origin ?? await source.fingerprint(), options.precisions);
    return new Conversion(id, source.weights, groups, options);
  }

  /**
   * Converts every group that is missing: `done` (groups of another model of the same source) and
   * else the journal say which groups exist, if their blobs do. Checks the disk space first:
   * OrreryError `model/disk_full` says how many bytes are missing. Finished groups stay when the
   * conversion is interrupted.
   */
  async run(done: Journal | undefined): Promise<WeightGroups> {
    const { blobs, dir, signal, onProgress } = this.#options;
    const journal = { ...(done ?? await readJournal(this.#journalPath)) };
    const found = new Set<string>();
    for (const { key } of this.#groups) {
      const group = journal[key];
      if (group && await blobs.size(group.sha256) === group.bytes) found.add(key);
    }
    const missing = this.#groups.filter(({ key }) => !found.has(key));
    const calibrate = missing.some(isLayer) ? this.#options.calibrate : undefined;
    const needed = (calibrate ? calibrationBytes(this.#groups) : 0) +
      missing.reduce((sum, { specs, formats }) => sum + groupBytes(specs, formats), 0);
    if (missing.length > 0) {
      const free = await this.#options.freeBytes(dir);
      if (free < needed + SPARE_BYTES) throw diskFull(dir, needed + SPARE_BYTES, free);
    }
    const progress = { group: "", done: 0, total: weightsOf(this.#groups.flatMap((g) => g.specs)) };
    const onWeights = (count: number) => {
      progress.done += count;
      onProgress?.({ ...progress });
    };
    await using calibration = await calibrate?.();
    for (const { key, specs, formats } of this.#groups) {
      signal?.throwIfAborted();
      progress.group = key;
      try {
        const grams = calibration && isLayer({ key })
          ? await calibration.layer(Number(key.slice(LAYER.length)), !found.has(key))
          : [];
        if (found.has(key)) {
          onWeights(weightsOf(specs));
          continue;
        }
        journal[key] = await convertGroup(this.#weights, specs, blobs, {
          ...formats,
          factors: factorsOf(grams),
          signal,
          onWeights,
        });
        await writeWhole(blobs, this.#journalPath, JSON.stringify(journal));
      } catch (error) {
        if (!isNoSpace(error)) throw error;
        throw diskFull(
          dir,
          groupBytes(specs, formats) + SPARE_BYTES,
          await this.#options.freeBytes(dir),
        );
      }
    }
    const named = (start: string) =>
      this.#groups.filter(({ key }) => key.startsWith(start)).map(({ key }) => journal[key]);
    const parts = named(PART);
    return {
      embedding: journal["embedding"],
      layers: named(LAYER),
      head: journal["head"],
      ...(parts.length > 0 && { head_parts: parts }),
    };
  }

  /** Deletes the conversion's journal; returns the hashes of the blobs that it named. */
  async forget(): Promise<string[]> {
    const journal = await readJournal(this.#journalPath);
    await removeIfThere(this.#journalPath);
    return Object.values(journal).map(({ sha256 }) => sha256);
  }

  get #journalPath(): string {
    return join(this.#options.dir, "jobs", `${this.id}.json`);
  }
}

/**
 * Throws `more_layers` (group `model`) where the source has layers that config.json leaves out. The
 * layers behind the last one that only predict further tokens (`num_nextn_predict_layers`) are not
 * converted.
 */
function checkLayers({ weights, described, path }: ModelSource): void {
  const { geometry: { layers }, config } = described;
  const predicting = config.num_nextn_predict_layers ?? 0;
  for (const name of weights.tensors.keys()) {
    const layer = Number(/^(?:model\.layers|blk)\.(\d+)\./.exec(name)?.[1] ?? 0);
    if (layer < layers + predicting) continue;
    throw modelError(
      "more_layers",
      `${path} has tensor ${name}, but its config.json says num_hidden_layers ${layers}: correct ` +
        "the number, or take the tensors out",
      { tensor: name, layers },
    );
  }
}

/** Identity of a conversion: the same source and settings give the same bytes. */
export function conversionId(
  fingerprint: string,
  { precision, embedding, head, block, context, calibrated }: Precisions,
): string {
  const settings = `converter ${CONVERTER_VERSION} ${precision} ${embedding} ${head}` +
    (block === undefined ? "" : ` block ${block}`) +
    (context === undefined ? "" : ` context ${context}`) +
    (calibrated ? ` calibrated ${CALIBRATION_VERSION}` : "");
  return createHash("sha256").update(`${settings} ${fingerprint}`).digest("hex");
}

/** Writes a text file that appears whole or not at all. */
export async function writeWhole(blobs: BlobFolder, path: string, text: string): Promise<void> {
  const temporary = blobs.temporaryPath();
  try {
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(temporary, text);
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeIfThere(temporary);
    throw error;
  }
}

/** The converted groups of a model by key. */
export function groupsByKey(manifest: Manifest): Journal {
  const numbered = (start: string, groups: Group[] = []) =>
    Object.fromEntries(groups.map((group, index) => [`${start}${index}`, group]));
  return {
    embedding: manifest.embedding,
    ...numbered(LAYER, manifest.layers),
    head: manifest.head,
    ...numbered(PART, manifest.head_parts),
  };
}

/** Bytes that a calibration writes for a while: the embedding and one layer, in f32. */
function calibrationBytes(groups: PlannedGroup[]): number {
  const formats = { precision: "f32", vocabulary: "f32" } as const;
  const bytes = ({ specs }: PlannedGroup) => groupBytes(specs, formats);
  const embedding = groups.find(({ key }) => key === "embedding")!;
  return bytes(embedding) + Math.max(...groups.filter(isLayer).map(bytes));
}

const weightsOf = (specs: TensorSpec[]): number =>
  specs.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

async function readJournal(path: string): Promise<Journal> {
  try {
    return journalSchema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch {
    return {}; // absent or of another version: everything is converted again
  }
}
