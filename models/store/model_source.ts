/**
 * A source that a model is converted from: a checkpoint folder or a GGUF file.
 *
 * @module
 */
import { basename, join, resolve } from "node:path";
import {
  describe,
  type Described,
  type DescribeOptions,
  precisionOf,
  type TensorSpec,
  textTensorName,
} from "../arch/mod.ts";
import { readJsonFile } from "../files.ts";
import type { Precision } from "../manifest.ts";
import { Checkpoint, GgufModel, type WeightSource, withoutPart } from "../sources/mod.ts";
import { readTextFiles } from "./text_files.ts";

/** An opened source; dispose of it to close its files. */
export interface ModelSource extends AsyncDisposable {
  /** Absolute path, for messages. */
  readonly path: string;
  /** Default name of a model that is made from it, without the precision. */
  readonly name: string;
  /** What its config.json says. */
  readonly described: Described;
  /** Text files by name, as a model folder has them. */
  readonly texts: Map<string, Uint8Array>;
  /** Its weights, as f32. */
  readonly weights: WeightSource;
  /** Precision of a model that is made from it, where nobody asks for another one. */
  readonly precision: Precision;
  /** A hash that changes whenever weights or configuration do. */
  fingerprint(): Promise<string>;
}

/** Opens a checkpoint folder or a GGUF file. Throws, before any work, for what is not supported. */
export async function openModelSource(
  source: string,
  options: DescribeOptions = {},
): Promise<ModelSource> {
  const path = resolve(source);
  return /\.gguf$/i.test(path) ? await openGguf(path, options) : await openFolder(path, options);
}

async function openFolder(folder: string, options: DescribeOptions): Promise<ModelSource> {
  const configFile = join(folder, "config.json");
  const described = describe(await readJsonFile(configFile), configFile, options);
  const texts = await readTextFiles(folder);
  const { packing } = described;
  const weights = await Checkpoint.open(folder, {
    packing,
    ...(described.textPart && { nameOf: textTensorName }),
  });
  return {
    path: folder,
    name: basename(folder),
    described: laidOut(await asTied(described, weights), weights),
    texts,
    weights,
    precision: precisionOf(packing),
    fingerprint: () => weights.fingerprint(),
    [Symbol.asyncDispose]: () => weights[Symbol.asyncDispose](),
  };
}

/** The model with the tensors of this checkpoint's layout. */
function laidOut(described: Described, { tensors }: Checkpoint): Described {
  const { architecture } = described;
  const has = (name: string) => tensors.has(name);
  return {
    ...described,
    architecture: { ...architecture, tensors: (geometry) => architecture.tensors(geometry, has) },
  };
}

/**
 * A model whose config.json ties embedding and LM head, but whose checkpoint has both with different
 * values, is not tied: so does transformers 5. Throws what reading a tensor throws.
 */
async function asTied(described: Described, weights: Checkpoint): Promise<Described> {
  const { geometry, architecture } = described;
  if (!geometry.tied_embeddings) return described;
  const untied = { ...geometry, tied_embeddings: false };
  const embedding = architecture.tensors(untied).embedding[0];
  const head = architecture.tensors(untied).head.find(({ key }) => key === "lm_head")!;
  const there = [embedding, head].every(({ name }) => weights.tensors.has(name));
  return there && !await sameTensor(weights, embedding, head)
    ? { ...described, geometry: untied }
    : described;
}

/** Do two tensors hold the same values? Reads until they differ. */
async function sameTensor(weights: Checkpoint, a: TensorSpec, b: TensorSpec): Promise<boolean> {
  const others = weights.read(b.name, b.shape);
  for await (const { values } of weights.read(a.name, a.shape)) {
    const other = await others.next();
    if (other.done || other.value.values.length !== values.length) return false;
    for (let i = 0; i < values.length; i++) {
      if (values[i] !== other.value.values[i]) return false;
    }
  }
  return true;
}

async function openGguf(path: string, options: DescribeOptions): Promise<ModelSource> {
  const model = await GgufModel.open(path);
  try {
    const described = describe(model.config, path, options);
    const { architecture } = described;
    return {
      path,
      name: basename(withoutPart(path)).replace(/\.gguf$/i, ""),
      described: {
        ...described,
        architecture: {
          ...architecture,
          tensors: (geometry) => model.planned(architecture.tensors(geometry), geometry),
        },
      },
      texts: model.texts,
      weights: model,
      precision: model.precision,
      fingerprint: () => model.fingerprint(),
      [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
    };
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}
