/**
 * Models whose files a client sends. The files lie in a folder of the store until the model is
 * converted or fails.
 *
 * @module
 */
import { basename, join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";
import { describe, isNoSpace, type ModelStore, TEXT_FILES } from "../../models/mod.ts";
import {
  apiError,
  type ModelUpload,
  type PullStep,
  type UploadAbout,
  type UploadService,
} from "../api/mod.ts";
import type { Adder, AdderClaim } from "./adder.ts";
import { type AsCalled, isStored, toldSteps } from "./model_puller.ts";
import { UploadFolder } from "./upload_folder.ts";

/** Most bytes of a model's files together, where nobody says. */
export const USUAL_UPLOAD_BYTES = 64 * 2 ** 30;

/** Bytes of the disk that an upload leaves free. */
const SPARE_BYTES = 256 * 2 ** 20;
/** Bytes after which the disk's free bytes are asked for again. */
const LOOK_BYTES = 64 * 2 ** 20;
/** Most files of a model; the largest checkpoints have a few hundred shards. */
const MOST_FILES = 1_000;
/** Most bytes of a config.json; those of known models have a few thousand. */
const MOST_CONFIG_BYTES = 1 << 20;
/** Most bytes of a file that holds no weights; large vocabularies take 40 MB. */
const MOST_TEXT_BYTES = 256 * 2 ** 20;

/** Which weights a checkpoint's shards hold. */
const INDEX = "model.safetensors.index.json";
const WEIGHTS = /^[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.(safetensors|gguf)$/i;
/** Files that a model may have beside its weights. */
const TEXTS: readonly string[] = [...TEXT_FILES, INDEX];

/** Options of {@linkcode ModelUploads}. */
export interface ModelUploadsOptions {
  /** Where models are looked for, and whose disk takes the files. */
  store: Pick<ModelStore, "get" | "freeBytes">;
  /** Adds them to that store. */
  adder: Adder;
  /** Most bytes of a model's files together; 0: none are taken. @default {@linkcode USUAL_UPLOAD_BYTES} */
  mostBytes?: number;
  /** See `ModelPullerOptions.asCalled`. */
  asCalled?: AsCalled;
}

/** See the module's text; the contract is {@linkcode UploadService}. */
export class ModelUploads implements UploadService {
  readonly mostBytes: number;
  readonly #options: ModelUploadsOptions;

  constructor(options: ModelUploadsOptions) {
    this.#options = options;
    this.mostBytes = options.mostBytes ?? USUAL_UPLOAD_BYTES;
  }

  async begin(about: UploadAbout): Promise<ModelUpload> {
    const { store, adder } = this.#options;
    if (this.mostBytes === 0) {
      const message = "this node takes no files of models (it runs with --max-upload 0): " +
        "run `deno task models add` on its machine";
      throw apiError("pull_forbidden", message, "file");
    }
    if ((about.bytes ?? 0) > this.mostBytes) throw tooLarge(this.mostBytes);
    await using undo = new AsyncDisposableStack();
    const claim = undo.use(await adder.claim(about.name));
    if (await isStored(store, about.name)) {
      const message =
        `the store has a model ${about.name}: choose another name, or remove it first`;
      throw apiError("model_exists", message, "name");
    }
    const folder = await UploadFolder.make(join(adder.dir, "uploads"));
    undo.use(folder);
    const free = await store.freeBytes();
    if ((about.bytes ?? 0) + SPARE_BYTES > free) throw diskFull(adder.dir, free, about.bytes);
    const owned = undo.move();
    return new Upload({ ...this.#options, mostBytes: this.mostBytes, about, claim, folder, owned });
  }

  /** Deletes what nodes of this store that died while they took files have left. */
  async sweep(): Promise<void> {
    await UploadFolder.sweep(join(this.#options.adder.dir, "uploads"));
  }
}

/** What an {@linkcode Upload} is made from. */
interface UploadParts extends ModelUploadsOptions {
  mostBytes: number;
  about: UploadAbout;
  claim: AdderClaim;
  folder: UploadFolder;
  /** Owns claim and folder. */
  owned: AsyncDisposableStack;
}

/** One model whose files arrive. */
class Upload implements ModelUpload {
  readonly #parts: UploadParts;
  /** Names of the files that have arrived. */
  readonly #files: string[] = [];
  /** Bytes that have arrived. */
  #bytes = 0;

  constructor(parts: UploadParts) {
    this.#parts = parts;
  }

  async receive(file: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { about, claim, folder, store, adder, mostBytes } = this.#parts;
    const name = checkedName(file, this.#files);
    const path = join(folder.path, name);
    const most = WEIGHTS.test(name)
      ? Infinity
      : name === "config.json"
      ? MOST_CONFIG_BYTES
      : MOST_TEXT_BYTES;
    let [bytes, looked] = [0, 0];
    try {
      using to = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
      for await (const piece of content) {
        if (bytes === 0) checkBegin(name, piece);
        bytes += piece.length;
        this.#bytes += piece.length;
        if (bytes > most) {
          throw refused(`${name} is larger than the ${most} bytes that such a file may have`);
        }
        if (this.#bytes > mostBytes) throw tooLarge(mostBytes);
        if (bytes - looked >= LOOK_BYTES) {
          looked = bytes;
          const free = await store.freeBytes();
          if (free < SPARE_BYTES) throw diskFull(adder.dir, free);
        }
        claim.tell({ status: `receiving ${name}`, completed: this.#bytes, total: about.bytes });
        for (let at = 0; at < piece.length;) at += await to.write(piece.subarray(at));
      }
    } catch (error) {
      if (isNoSpace(error)) throw diskFull(adder.dir, await store.freeBytes());
      throw error;
    }
    if (bytes === 0) throw refused(`${name} is empty`);
    this.#files.push(name);
    if (name === "config.json") await checkConfig(path);
  }

  async *add(signal: AbortSignal): AsyncGenerator<PullStep, void> {
    const { about: { name, precision }, adder, claim, folder, asCalled } = this.#parts;
    const source = sourceOf(this.#files, folder.path);
    const steps = adder.run({ from: "files", source, name, precision }, signal);
    try {
      yield* toldSteps(steps, { claim, asCalled });
    } catch (error) {
      throw ofFiles(error, folder.path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.owned.disposeAsync();
  }
}

/** The name of a file without its folder, if a model may have such a file and it is not here yet. */
function checkedName(given: string, before: readonly string[]): string {
  const name = basename(given.replaceAll("\\", "/"));
  if (!WEIGHTS.test(name) && !TEXTS.includes(name)) {
    const shown = JSON.stringify(name.slice(0, 128));
    throw refused(
      `${shown} is no file of a model; send one or more .gguf files, or .safetensors files with ${
        TEXTS.join(", ")
      }`,
    );
  }
  if (before.includes(name)) throw refused(`${name} came twice`);
  if (before.length >= MOST_FILES) throw refused(`more than ${MOST_FILES} files`);
  return name;
}

/** Refuses weights that are none by their first bytes, before gigabytes have come. */
function checkBegin(name: string, bytes: Uint8Array): void {
  if (/\.gguf$/i.test(name)) {
    const magic = String.fromCharCode(...bytes.subarray(0, 4));
    if (bytes.length >= 4 && magic !== "GGUF") {
      throw refused(`${name} does not begin as a GGUF file does`);
    }
  } else if (/\.safetensors$/i.test(name) && bytes.length > 8 && bytes[8] !== 0x7b) {
    throw refused(`${name} does not begin as a safetensors file does`);
  }
}

/** Throws where config.json is none, or of a model that is not supported. */
async function checkConfig(path: string): Promise<void> {
  try {
    describe(JSON.parse(await Deno.readTextFile(path)), "config.json");
  } catch (error) {
    if (error instanceof SyntaxError) throw refused(`config.json is not JSON: ${error.message}`);
    throw ofFiles(error, path);
  }
}

/** What is to be converted: the folder, or the first part of a GGUF file. */
function sourceOf(files: readonly string[], folder: string): string {
  const gguf = files.filter((name) => /\.gguf$/i.test(name)).sort();
  const others = files.find((name) => !gguf.includes(name));
  if (gguf.length > 0) {
    if (others !== undefined) throw refused(`${others} does not belong beside ${gguf[0]}`);
    return join(folder, gguf[0]);
  }
  for (
    const [what, there] of [
      ["config.json", files.includes("config.json")],
      ["tokenizer.json", files.includes("tokenizer.json")],
      ["a .safetensors or .gguf file", files.some((name) => WEIGHTS.test(name))],
    ] as const
  ) {
    if (!there) throw refused(`the form lacks ${what}`);
  }
  return folder;
}

/** What is wrong with the files is the request's own fault; no text names where they lay. */
function ofFiles(error: unknown, folder: string): unknown {
  if (!(error instanceof OrreryError) || error.group !== "model") return error;
  const message = error.message.replaceAll(`${folder}/`, "").replaceAll(folder, "the upload");
  if (error.code === "disk_full") return apiError("storage_full", message, "file");
  return refused(message);
}

const refused = (why: string): Error => apiError("invalid_value", `file: ${why}`, "file");

const tooLarge = (most: number): Error =>
  apiError(
    "body_too_large",
    `the model's files are larger than the ${most} bytes that this node takes: start it with a ` +
      "larger --max-upload, or run `deno task models add` on its machine",
    "file",
  );

function diskFull(dir: string, free: number, needed?: number): Error {
  const has = needed === undefined ? "the files do not fit" : `the files have ${needed}`;
  return apiError(
    "storage_full",
    `the disk of ${dir} has ${free} bytes free, of which ${SPARE_BYTES} stay free, and ${has}: ` +
      "make room, or add the model on another node",
    "file",
  );
}
