/**
 * Models on a hub: which files of a repository belong to a model, and how they get into a folder.
 *
 * `@huggingface/hub` resolves revisions and lists files. It does not fetch them, because its
 * downloads neither resume nor check a hash, and print to the console.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { freeBytes, removeIfThere, TEXT_FILES } from "../store/mod.ts";
import { modelError } from "../errors.ts";
import { readJsonFile } from "../files.ts";
import { partPaths } from "../sources/mod.ts";
import { HubClient, type HubClientOptions } from "./client.ts";
import { fetchFile, type HubFile } from "./file.ts";

const INDEX = "model.safetensors.index.json";
const SINGLE = "model.safetensors";
const SHARD = /^model[A-Za-z0-9._-]*\.safetensors$/;
/** Pause between two attempts to lock a folder, in milliseconds. */
const LOCK_POLL_MS = 500;
const COMMIT = /^[0-9a-f]{40}$/;

/** A model on a hub. */
export interface HubSpec {
  /** `owner/name`. */
  repo: string;
  /** Path of a GGUF file in the repository. Undefined: the repository's safetensors checkpoint. */
  file?: string;
}

/** Progress of a download. */
export interface HubProgress {
  /** Path of the file that is being fetched. */
  file: string;
  /** Bytes of the model that are on the disk. */
  done: number;
  /** Bytes of the whole model, as far as they are known. */
  total: number;
  /** Hash of the file as `sha256:` and hexadecimal digits. @default it is in git, and small */
  digest?: string;
  /** Bytes of the file that are on the disk. */
  fileDone: number;
  /** Size of the file in bytes. */
  fileBytes: number;
}

/** Options of {@linkcode HubModel.resolve}. */
export interface HubOptions extends HubClientOptions {
  /** Branch, tag or commit. @default "main" */
  revision?: string;
  /** Called as bytes arrive. */
  onProgress?: (progress: HubProgress) => void;
  /** Called once if another process is fetching the same model. */
  onWait?: () => void;
  /**
   * Called with the folder of a checkpoint's text files before the weights are fetched; it throws
   * to refuse the model.
   */
  check?: (folder: string) => Promise<void>;
}

/** Parses `owner/name` or `owner/name:path/to/file.gguf`; undefined for anything else. */
export function parseHubSpec(text: string): HubSpec | undefined {
  const match = /^([A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9_][\w.-]{0,95})(?::([^\\:]+\.gguf))?$/.exec(
    text,
  );
  const steps = match?.[2]?.split("/") ?? [];
  if (!match || /\.\.|--|\.git$/.test(match[1]) || steps.some((step) => /^\.*$/.test(step))) {
    return undefined;
  }
  return { repo: match[1], file: match[2] };
}

const listed = z.object({
  type: z.string(),
  path: z.string().min(1),
  size: z.number().int().nonnegative().default(0),
  oid: z.string().optional(),
  lfs: z.object({ oid: z.string(), size: z.number().int().nonnegative() }).optional(),
});
const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/**
 * A model on a hub at one commit. Dispose of it to let other processes use its folder; what was
 * fetched stays.
 */
export class HubModel implements AsyncDisposable {
  readonly spec: HubSpec;
  /** Commit that the revision pointed to when it was resolved: 40 hexadecimal digits. */
  readonly commit: string;
  /** Exact identity of the model: `owner/name@commit` or `owner/name@commit:file.gguf`. */
  readonly origin: string;
  readonly #client: HubClient;
  readonly #options: HubOptions;
  #lock: Deno.FsFile | undefined;
  #folder = "";

  private constructor(spec: HubSpec, commit: string, client: HubClient, options: HubOptions) {
    this.spec = spec;
    this.commit = commit;
    this.origin = `${spec.repo}@${commit}${spec.file === undefined ? "" : `:${spec.file}`}`;
    this.#client = client;
    this.#options = options;
  }

  /**
   * Finds the commit that a revision points to now; a whole commit is taken as it is, without
   * asking. Throws OrreryError `model/`: `hub_repository`, `hub_revision`, `hub_token`,
   * `hub_unreachable`, `hub_busy`, `hub_failed`.
   */
  static async resolve(spec: HubSpec, options: HubOptions = {}): Promise<HubModel> {
    const { revision = "main" } = options;
    const client = new HubClient(spec.repo, options);
    try {
      if (COMMIT.test(revision)) return new HubModel(spec, revision, client, options);
      const { modelInfo } = await library();
      const { endpoint: hubUrl, fetch } = client;
      const info = await replied(
        client,
        () => modelInfo({ name: spec.repo, revision, hubUrl, fetch, additionalFields: ["sha"] }),
      );
      const sha = z.string().regex(COMMIT).safeParse(info.sha);
      if (!sha.success) throw badReply(client, "names no commit for this revision");
      return new HubModel(spec, sha.data, client, options);
    } catch (error) {
      client[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Fetches the missing files into `<dir>/<owner>--<name>/<commit>`. Returns the path of that
   * folder, or of the GGUF file in it. Waits while another process fetches the same model. Throws
   * as {@linkcode HubModel.resolve}, and OrreryError `model/`: `hub_gated`, `hub_forbidden`,
   * `hub_file_missing`, `weights_missing`, `file_missing`, `shard_name`, `shard_missing`,
   * `download_hash`, `disk_full`.
   */
  async fetch(dir: string): Promise<string> {
    const folder = await this.#claim(dir);
    const { signal, check, onProgress } = this.#options;
    const listing = await this.#list();
    const progress: HubProgress = { file: "", done: 0, total: 0, fileDone: 0, fileBytes: 0 };
    const get = async (files: HubFile[]) => {
      for (const file of files) {
        const before = progress.done;
        const { path, size, digest } = file;
        Object.assign(progress, {
          file: path,
          fileBytes: size,
          digest: digest?.algorithm === "sha256" ? `sha256:${digest.value}` : undefined,
        });
        const onBytes = (bytes: number) => {
          progress.fileDone = bytes;
          progress.done = before + bytes;
          onProgress?.({ ...progress });
        };
        const to = join(folder, basename(file.path));
        await fetchFile(file, { client: this.#client, commit: this.commit, to, onBytes, signal });
      }
    };
    const { file } = this.spec;
    if (file !== undefined) {
      const wanted = partPaths(file).map((part) => this.#ggufOf(listing, part));
      progress.total = bytesOf(wanted);
      await this.#checkSpace(folder, wanted);
      await get(wanted);
      return join(folder, basename(file));
    }
    const first = this.#textsOf(listing);
    const index = listing.get(INDEX);
    if (index) first.push(index);
    const likely = index
      ? [...listing.values()].filter(({ path }) => SHARD.test(path))
      : [listing.get(SINGLE)!];
    progress.total = bytesOf(first) + bytesOf(likely);
    await get(first);
    await check?.(folder);
    const weights = index ? await this.#shardsOf(listing, join(folder, INDEX)) : likely;
    progress.total = bytesOf(first) + bytesOf(weights);
    await this.#checkSpace(folder, weights);
    await get(weights);
    return folder;
  }

  /** Deletes the folder that {@linkcode HubModel.fetch} filled. */
  async remove(): Promise<void> {
    if (!this.#lock) return;
    await removeIfThere(this.#folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    if (!this.#lock) return;
    // Deleted while we hold the lock: whoever locks it next checks that it still exists.
    await removeIfThere(this.#lockPath);
    this.#lock.close();
    this.#lock = undefined;
    // Deletes the repository's folder too if it is empty.
    await Deno.remove(dirname(this.#lockPath)).catch(() => {});
  }

  get #lockPath(): string {
    return `${this.#folder}.lock`;
  }

  /**
   * Locks the model's folder until this object is disposed of or the process ends. Waits while
   * another process holds the lock.
   */
  async #claim(dir: string): Promise<string> {
    if (this.#lock) return this.#folder;
    const { signal, onWait } = this.#options;
    this.#folder = join(dir, this.spec.repo.replace("/", "--"), this.commit);
    for (let told = false;;) {
      signal?.throwIfAborted();
      await Deno.mkdir(dirname(this.#lockPath), { recursive: true });
      const file = await Deno.open(this.#lockPath, { create: true, write: true });
      // Whoever held the lock deletes the file, so the file that we locked may no longer be the one
      // at this path.
      if (await file.tryLock(true) && await isStill(file, this.#lockPath)) {
        this.#lock = file;
        await Deno.mkdir(this.#folder, { recursive: true });
        return this.#folder;
      }
      file.close();
      if (!told) onWait?.();
      told = true;
      await sleep(LOCK_POLL_MS, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }

  /** Files of the folder that holds the model, by path. */
  async #list(): Promise<Map<string, HubFile>> {
    const { listFiles } = await library();
    const { endpoint: hubUrl, fetch } = this.#client;
    const within = dirname(this.spec.file ?? "");
    const path = within === "." ? undefined : within.split("/").map(encodeURIComponent).join("/");
    return await replied(this.#client, async () => {
      const files = new Map<string, HubFile>();
      const entries = listFiles({
        repo: this.spec.repo,
        revision: this.commit,
        path,
        hubUrl,
        fetch,
      });
      for await (const entry of entries) {
        const { type, path, size, oid, lfs } = listed.parse(entry);
        if (type !== "file") continue;
        files.set(path, { path, size: lfs?.size ?? size, digest: digestOf(lfs?.oid, oid) });
      }
      return files;
    });
  }

  #ggufOf(listing: Map<string, HubFile>, file: string): HubFile {
    const found = listing.get(file);
    if (found) return found;
    const others = ggufsIn(listing);
    throw modelError(
      "hub_file_missing",
      `${this.spec.repo} has no file ${file}${others ? `; there are ${others}` : ""}`,
      { repo: this.spec.repo, file },
    );
  }

  /** The text files of a checkpoint. Throws if its weights are in no format that is read. */
  #textsOf(listing: Map<string, HubFile>): HubFile[] {
    const { repo } = this.spec;
    if (!listing.has(INDEX) && !listing.has(SINGLE)) {
      const pickle = [...listing.keys()].find((path) => /\.(bin|pt|pth|ckpt)$/.test(path));
      const ggufs = ggufsIn(listing);
      const hint = ggufs
        ? `; of its GGUF files, ${ggufs}, name one: ${repo}:FILE`
        : pickle
        ? `; ${pickle} is a pickle, which is not read since it may run any code: take a repository with safetensors`
        : "";
      throw modelError("weights_missing", `${repo} has neither ${SINGLE} nor ${INDEX}${hint}`, {
        repo,
        pickle,
      });
    }
    for (const file of ["config.json", "tokenizer.json"]) {
      if (listing.has(file)) continue;
      const hint = file === "tokenizer.json" && listing.has("tokenizer.model")
        ? "; its tokenizer.model (sentencepiece) is not read"
        : "";
      throw modelError("file_missing", `${repo} has no ${file}, which a model must have${hint}`, {
        repo,
        file,
      });
    }
    return TEXT_FILES.flatMap((file) => listing.get(file) ?? []);
  }

  /** The weight files that the index names. */
  async #shardsOf(listing: Map<string, HubFile>, index: string): Promise<HubFile[]> {
    const { repo } = this.spec;
    const parsed = indexSchema.safeParse(await readJsonFile(index));
    const names = new Set(Object.values(parsed.data?.weight_map ?? {}));
    if (names.size === 0) {
      throw modelError("file_malformed", `${repo}: ${INDEX} names no weight files`);
    }
    return [...names].sort().map((name) => {
      const file = /^[A-Za-z0-9_][A-Za-z0-9._-]*\.safetensors$/.test(name)
        ? listing.get(name)
        : undefined;
      if (file) return file;
      const listed = listing.has(name);
      throw modelError(
        listed ? "shard_name" : "shard_missing",
        `${repo}: ${INDEX} names ${
          JSON.stringify(name)
        }, which is not a safetensors file of the repository`,
        { repo, file: name },
      );
    });
  }

  async #checkSpace(folder: string, files: HubFile[]): Promise<void> {
    let missing = 0;
    for (const file of files) {
      const path = join(folder, basename(file.path));
      const here = await sizeOf(path) ?? await sizeOf(`${path}.part`) ?? 0;
      missing += Math.max(0, file.size - here);
    }
    const free = await freeBytes(folder);
    if (free >= missing) return;
    throw modelError(
      "disk_full",
      `${this.spec.repo} needs ${missing} bytes more for its download, the disk of ${folder} has ${free} free`,
      { missing, free, folder },
    );
  }
}

/** The hub's library, imported on first use: it loads slowly, and few commands need it. */
const library = () => import("@huggingface/hub");

/** Runs a call of the library. A response that it or we cannot parse becomes one clear error. */
async function replied<T>(client: HubClient, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || error instanceof TypeError) {
      throw badReply(client, "answers with something else than its protocol says");
    }
    throw error;
  }
}

const badReply = ({ endpoint }: HubClient, why: string) =>
  modelError("hub_failed", `${endpoint} ${why}; is it a hub?`, { endpoint });

function digestOf(sha256: string | undefined, oid: string | undefined): HubFile["digest"] {
  if (sha256 !== undefined) {
    return /^[0-9a-f]{64}$/.test(sha256) ? { algorithm: "sha256", value: sha256 } : undefined;
  }
  return oid !== undefined && COMMIT.test(oid) ? { algorithm: "git", value: oid } : undefined;
}

const bytesOf = (files: HubFile[]): number => files.reduce((sum, { size }) => sum + size, 0);

/** The first GGUF files of a listing, for a message; empty: none. */
function ggufsIn(listing: Map<string, HubFile>): string {
  const all = [...listing.keys()].filter((path) => path.endsWith(".gguf"));
  return all.slice(0, 12).join(", ") + (all.length > 12 ? `, ${all.length - 12} more` : "");
}

async function isStill(file: Deno.FsFile, path: string): Promise<boolean> {
  const there = await Deno.stat(path).catch(() => undefined);
  return there !== undefined && there.ino === (await file.stat()).ino;
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await Deno.stat(path).catch(() => undefined))?.size;
}
