/**
 * A model taken apart: its groups one at a time, at any precision, in a folder of their own. For
 * work that runs a model layer by layer, in the memory of one layer: calibration and measurements.
 *
 * @module
 */
import { join } from "node:path";
import { parseJson } from "../files.ts";
import type { Factors } from "../calibration/mod.ts";
import {
  endFormatFor,
  type Geometry,
  type GraphModel,
  type Group,
  type Manifest,
  type Precision,
} from "../manifest.ts";
import type { WeightSource } from "../sources/mod.ts";
import { ChatTemplate, Tokenizer } from "../text/mod.ts";
import { BlobFolder } from "./blobs.ts";
import { groupsByKey, type Journal } from "./conversion.ts";
import { convertGroup } from "./convert.ts";
import { removeIfThere } from "./files.ts";
import type { ModelSource } from "./model_source.ts";
import { isLayer, LAYER, PART, type PlannedGroup, plannedGroups } from "./planned_groups.ts";
import type { StoredModel } from "./stored_model.ts";
import { StoredWeights } from "./stored_weights.ts";
import { endTokens } from "./text_files.ts";

/** How a part is stored: at a precision, or as the stored model has it. */
export type PartForm = Precision | "stored";

/** Options of {@linkcode ModelParts.part}. */
export interface PartOptions {
  /** See `ConvertGroupOptions`. */
  factors?: Factors;
  signal?: AbortSignal;
}

interface PartsOf {
  name: string;
  geometry: Geometry;
  held: Precision;
  weights: WeightSource;
  groups: Pick<PlannedGroup, "key" | "specs">[];
  texts: ModelTexts;
  stored?: { groups: Journal; pathOf: (sha256: string) => string };
}

/** What turns text into rows of a model. */
export interface ModelTexts {
  /** Turns text into token ids. */
  tokenizer: Tokenizer;
  /** Turns messages into a prompt. */
  template: ChatTemplate;
  /** Id of the token that begins a text; null: none does. */
  bos: number | null;
  /** Ids of the tokens that end a text. */
  ends: number[];
}

/** See the module's text. Dispose of it to delete the folder. */
export class ModelParts implements AsyncDisposable {
  readonly #of: PartsOf;
  readonly #blobs: BlobFolder;
  readonly #dir: string;

  private constructor(of: PartsOf, blobs: BlobFolder, dir: string) {
    this.#of = of;
    this.#blobs = blobs;
    this.#dir = dir;
  }

  /** Takes a source apart in a folder that is made in `parent`. */
  static async ofSource(source: ModelSource, parent: string): Promise<ModelParts> {
    const { described, weights, texts, path } = source;
    const json = (file: string) => {
      const bytes = texts.get(file);
      return bytes && parseJson(bytes, join(path, file));
    };
    const config = json("tokenizer_config.json") ?? {};
    const template = texts.get("chat_template.jinja");
    const ends = endTokens(described, texts, path);
    const precisions = { precision: "f32", embedding: "f32", head: "f32" } as const;
    return await ModelParts.#open({
      name: source.name,
      geometry: described.geometry,
      held: "f32",
      weights,
      groups: plannedGroups(described, precisions),
      texts: {
        tokenizer: Tokenizer.fromJson(json("tokenizer.json"), config, join(path, "tokenizer.json")),
        template: ChatTemplate.fromConfig(config, template && new TextDecoder().decode(template)),
        bos: ends.bos_token,
        ends: ends.eos_tokens,
      },
    }, parent);
  }

  /** Takes a model of the store apart in a folder that is made in `parent`. */
  static async ofStored(model: StoredModel, parent: string): Promise<ModelParts> {
    const { manifest, blobsDir } = model;
    const groups = groupsByKey(manifest);
    const pathOf = (sha256: string) => join(blobsDir, sha256);
    const weights = new StoredWeights(groups, manifest.geometry, pathOf);
    return await ModelParts.#open({
      name: manifest.name,
      geometry: manifest.geometry,
      held: manifest.precision,
      weights,
      groups: Object.keys(groups).map((key) => ({ key, specs: weights.specsOf(key) })),
      texts: {
        tokenizer: await model.tokenizer(),
        template: await model.chatTemplate(),
        bos: manifest.bos_token,
        ends: manifest.eos_tokens,
      },
      stored: { groups, pathOf },
    }, parent);
  }

  static async #open(of: PartsOf, parent: string): Promise<ModelParts> {
    const dir = join(parent, `parts-${crypto.randomUUID()}`);
    return new ModelParts(of, await BlobFolder.open(dir), dir);
  }

  /** Name in the store, or of the source. */
  get name(): string {
    return this.#of.name;
  }

  /** Geometry of the model. */
  get geometry(): Geometry {
    return this.#of.geometry;
  }

  /** Precision of what the model holds: that of a stored model's projections; f32 of a source. */
  get held(): Precision {
    return this.#of.held;
  }

  /** What turns text into rows. */
  get texts(): ModelTexts {
    return this.#of.texts;
  }

  /** Folder of the blobs, for the graphs too. */
  get blobDir(): string {
    return this.#blobs.dir;
  }

  /** Keys of the groups: `embedding`, `layer 3`, `head`, `head part 0`. */
  get keys(): string[] {
    return this.#of.groups.map(({ key }) => key);
  }

  /**
   * Writes the blob of a group, with all its projections and tables in one precision. Throws what
   * reading and writing throw, and the signal's reason.
   */
  async part(key: string, form: PartForm, options: PartOptions = {}): Promise<Group> {
    const { weights, groups, stored } = this.#of;
    if (form === "stored") {
      const group = stored!.groups[key];
      await copyOnce(stored!.pathOf(group.sha256), this.#blobs.path(group.sha256));
      return group;
    }
    const { specs } = groups.find((group) => group.key === key)!;
    return await convertGroup(weights, specs, this.#blobs, {
      precision: form,
      vocabulary: form === "q4m" ? endFormatFor(form) : form,
      ...options,
    });
  }

  /** Deletes a group's blob. */
  async drop({ sha256 }: Group): Promise<void> {
    await removeIfThere(this.#blobs.path(sha256));
  }

  /** The groups that there are, by key, as graphs are built from them. */
  model(groups: Readonly<Record<string, Group>>, context: number): GraphModel {
    const layers: Group[] = [];
    const parts: Group[] = [];
    for (const [key, group] of Object.entries(groups)) {
      if (isLayer({ key })) layers[Number(key.slice(LAYER.length))] = group;
      else if (key.startsWith(PART)) parts[Number(key.slice(PART.length))] = group;
    }
    // Graphs read only the groups of their own layers: what is absent is never looked at.
    const { embedding, head } = groups as Record<string, Manifest["embedding"]>;
    return {
      name: this.name,
      geometry: { ...this.geometry, context: Math.min(this.geometry.context, context) },
      embedding,
      layers,
      head,
      ...(parts.length > 0 && { head_parts: parts }),
    };
  }

  /** Deletes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeIfThere(this.#dir);
  }
}

/** Makes a file appear at another path too: by a link where the file system has them. */
async function copyOnce(from: string, to: string): Promise<void> {
  try {
    await Deno.link(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    await Deno.copyFile(from, to);
  }
}
