/**
 * A thread that adds one model to the store, see `adder.ts`.
 *
 * @module
 */
import { toOrreryError, type WireError } from "../../actors/mod.ts";
import { addFromHub, type AddOptions, type AddProgress, ModelStore } from "../../models/mod.ts";
import { apiError, type PullStep, readForm, type StoredForm } from "../api/mod.ts";
import type { PullTarget } from "./pull_name.ts";

/** Milliseconds between two steps of the same kind. */
const EVERY_MS = 100;

/** What is to be added. */
export type AddJob =
  | {
    from: "hub";
    target: PullTarget;
    /** The hub's base URL and its token; undefined: the hub's own, and none. */
    endpoint?: string;
    token?: string;
  }
  | {
    from: "files";
    /** A checkpoint folder or a GGUF file. */
    source: string;
    /** What the model is called in the store. */
    name: string;
    /** @default "q4", and of a GGUF file the nearest to what it holds */
    precision?: StoredForm;
  };

/** What the thread is told. */
export type ToAddWorker =
  | {
    op: "add";
    /** Folder of the store. */
    dir: string;
    job: AddJob;
  }
  | { op: "stop" };

/** What it tells. */
export type FromAddWorker =
  | { step: PullStep }
  /** The model is in the store under this name. */
  | { added: string }
  | { error: WireError };

/** The part of a worker's scope that the library's types do not have. */
const scope = globalThis as unknown as {
  postMessage(message: FromAddWorker): void;
  onmessage: ((event: MessageEvent<ToAddWorker>) => void) | null;
};

const stop = new AbortController();
let last = { status: "", atMs: 0 };

/** Tells a step, unless one of its kind was told just before. */
function tell(step: PullStep): void {
  const now = performance.now();
  const ends = step.completed !== undefined && step.completed === step.total;
  if (step.status === last.status && now - last.atMs < EVERY_MS && !ends) return;
  last = { status: step.status, atMs: now };
  scope.postMessage({ step });
}

const onConvert = ({ done, total }: AddProgress) =>
  tell({ status: "converting", total, completed: done });

/** How the store is told of a form. The engine is large: only a calibration loads it. */
async function stored(form?: StoredForm): Promise<Pick<AddOptions, "precision" | "calibrate">> {
  const { precision, calibrated } = readForm(form);
  if (!calibrated) return { precision };
  return { precision, calibrate: (await import("../quality/mod.ts")).calibrate };
}

/** Adds the model; resolves to its name in the store. */
async function convert(store: ModelStore, job: AddJob): Promise<string> {
  const { signal } = stop;
  if (job.from === "files") {
    const { source, name, precision } = job;
    const adding = {
      name,
      ...await stored(precision),
      signal,
      onProgress: onConvert,
      keepUnfinished: false,
    };
    return (await store.add(source, adding)).manifest.name;
  }
  const { target: { precision, ...spec }, endpoint, token } = job;
  const added = await addFromHub(store, spec, {
    ...{ endpoint, token, signal, onConvert },
    ...await stored(precision),
    onDownload: ({ file, digest, fileDone, fileBytes }) =>
      tell({ status: `pulling ${file}`, digest, total: fileBytes, completed: fileDone }),
    onRetry: (why, waitMs) =>
      tell({ status: `${why}; trying again in ${Math.ceil(waitMs / 1000)} s` }),
    onWait: () => tell({ status: "waiting for another process that fetches this model" }),
  });
  return added.manifest.name;
}

async function add({ dir, job }: ToAddWorker & { op: "add" }): Promise<string> {
  const store = await ModelStore.open(dir);
  const name = await convert(store, job);
  tell({ status: "verifying sha256 digest" });
  const [problem, ...more] = await store.verify(name, { signal: stop.signal });
  if (!problem) return name;
  const { role, problem: what, sha256 } = problem;
  throw apiError(
    "incomplete",
    `${name}: ${role} is ${what} (blob ${sha256})${
      more.length ? `, and ${more.length} more` : ""
    }; remove the model and add it again`,
  );
}

scope.onmessage = ({ data }) => {
  if (data.op === "stop") return stop.abort();
  add(data).then(
    (added) => scope.postMessage({ added }),
    (error) => scope.postMessage({ error: toOrreryError(error).toWire() }),
  );
};
