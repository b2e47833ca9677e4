/**
 * The metadata of a GGUF file that describe its model.
 *
 * @module
 */
import { ggufError, type GgufHeader } from "./gguf.ts";

/** The shortest decimal number for an f32: 1e-5, not 0.000009999999747. */
export const single = (value: number): number => Number(value.toPrecision(7));

/** Most layers of a model, as in config.json: lists with an element for each are made from it. */
const MOST_LAYERS = 4096;

/** Reads and checks the metadata of one architecture. */
export class Metadata {
  readonly #header: GgufHeader;
  readonly #path: string;
  /** Names of tensors without the layer's number. */
  #inLayers?: ReadonlySet<string>;
  readonly architecture: string;

  constructor(header: GgufHeader, path: string) {
    this.#header = header;
    this.#path = path;
    const named = header.metadata.get("general.architecture");
    if (typeof named !== "string") {
      throw ggufError("gguf_malformed", path, "it has no general.architecture");
    }
    this.architecture = named;
  }

  /** Whether the file has a tensor of this name. */
  has(tensor: string): boolean {
    return this.#header.tensors.has(tensor);
  }

  /** Whether a layer has a tensor of this name, e.g. `attn_q.bias`. */
  layersHave(name: string): boolean {
    this.#inLayers ??= new Set(
      [...this.#header.tensors.keys()].map((full) => full.replace(/^blk\.\d+\./, "")),
    );
    return this.#inLayers.has(name);
  }

  /** Whether a layer's tensor of this stem has a bias. */
  hasBias(stem: string): boolean {
    return this.layersHave(`${stem}.bias`);
  }

  /**
   * A number of this architecture, e.g. `block_count`; undefined: not stated. Of an array all
   * elements must be equal.
   */
  number(key: string): number | undefined {
    const full = `${this.architecture}.${key}`;
    const found = this.#header.metadata.get(full);
    if (found === undefined) return undefined;
    const values: unknown[] = Array.isArray(found) ? found : [found];
    if (typeof values[0] !== "number" || !Number.isFinite(values[0])) {
      throw this.#malformed(`${full} is not a number`);
    }
    if (values.some((value) => value !== values[0])) {
      throw ggufError("feature_unsupported", this.#path, `${full} differs from layer to layer`);
    }
    return values[0];
  }

  /** As {@linkcode Metadata.number}, for a number that must be stated. */
  required(key: string): number {
    const found = this.number(key);
    if (found === undefined) throw this.#malformed(`it has no ${this.architecture}.${key}`);
    return found;
  }

  /** Layers of the file, those that predict further tokens included; 1 to 4096. */
  get layers(): number {
    const layers = this.required("block_count");
    if (!Number.isInteger(layers) || layers < 1 || layers > MOST_LAYERS) {
      const full = `${this.architecture}.block_count`;
      throw this.#malformed(`${full} is ${layers} where 1 to ${MOST_LAYERS} layers are supported`);
    }
    return layers;
  }

  /** A number divided by that of another key, of which it must be a multiple. */
  share(key: string, by: string): number {
    const [whole, parts] = [this.required(key), this.required(by)];
    if (!(parts > 0) || whole % parts !== 0) {
      throw this.#malformed(
        `${this.architecture}.${key} ${whole} is no multiple of ${by} ${parts}`,
      );
    }
    return whole / parts;
  }

  /** As {@linkcode Metadata.number}, for each layer; a single number is that of all layers. */
  numbers(key: string): number[] {
    const full = `${this.architecture}.${key}`;
    const found = this.#header.metadata.get(full);
    const { layers } = this;
    if (!Array.isArray(found)) return new Array<number>(layers).fill(this.required(key));
    if (found.length !== layers || found.some((value: unknown) => typeof value !== "number")) {
      throw this.#malformed(`${full} is no number for each of ${layers} layers`);
    }
    return found as number[];
  }

  /** Whether something holds, for each layer; undefined: not stated layer by layer. */
  flags(key: string): boolean[] | undefined {
    const full = `${this.architecture}.${key}`;
    const found = this.#header.metadata.get(full);
    if (!Array.isArray(found)) return undefined;
    const { layers } = this;
    if (found.length !== layers || found.some((value: unknown) => typeof value !== "boolean")) {
      throw this.#malformed(`${full} does not say true or false for each of ${layers} layers`);
    }
    return found as boolean[];
  }

  /** Whether something holds; undefined: not stated. */
  flag(key: string): boolean | undefined {
    const found = this.#header.metadata.get(`${this.architecture}.${key}`);
    if (found !== undefined && typeof found !== "boolean") {
      throw this.#malformed(`${this.architecture}.${key} is neither true nor false`);
    }
    return found;
  }

  /** Elements of a head. */
  get headDim(): number {
    return this.number("attention.key_length") ??
      Math.floor(this.required("embedding_length") / this.required("attention.head_count"));
  }

  /** What RMS norms add to the mean square. */
  get epsilon(): number {
    return single(this.required("attention.layer_norm_rms_epsilon"));
  }

  /** A text of this architecture; undefined: not stated. */
  text(key: string): string | undefined {
    const found = this.#header.metadata.get(`${this.architecture}.${key}`);
    if (found !== undefined && typeof found !== "string") {
      throw this.#malformed(`${key} is not a text`);
    }
    return found;
  }

  #malformed(why: string): Error {
    return ggufError("gguf_malformed", this.#path, why);
  }
}
