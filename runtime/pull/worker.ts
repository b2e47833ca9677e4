/**
 * A thread that adds one model to the store, see `model_puller.ts`.
 *
 * @module
 */
import { toOrreryError, type WireError } from "../../actors/mod.ts";
import { addFromHub, ModelStore } from "../../models/mod.ts";
import { apiError, type PullStep } from "../api/mod.ts";
import type { PullTarget } from "./pull_name.ts";

/** Milliseconds between two steps of the same kind. */
const EVERY_MS = 100;

/** What the thread is told. */
export type ToPullWorker =
  | {
    op: "add";
    /** Folder of the store. */
    dir: string;
    target: PullTarget;
    /** The hub's base URL and its token; undefined: the hub's own, and none. */
    endpoint?: string;
    token?: string;
  }
  | { op: "stop" };

/** What it tells. */
export type FromPullWorker =
  | { step: PullStep }
  /** The model is in the store under this name. */
  | { added: string }
  | { error: WireError };

/** The part of a worker's scope that the library's types do not have. */
const scope = globalThis as unknown as {
  postMessage(message: FromPullWorker): void;
  onmessage: ((event: MessageEvent<ToPullWorker>) => void) | null;
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

async function add({ dir, target, ...hub }: ToPullWorker & { op: "add" }): Promise<string> {
  const store = await ModelStore.open(dir);
  const { precision, ...spec } = target;
  const { manifest: { name } } = await addFromHub(store, spec, {
    ...hub,
    precision,
    signal: stop.signal,
    onDownload: ({ file, digest, fileDone, fileBytes }) =>
      tell({ status: `pulling ${file}`, digest, total: fileBytes, completed: fileDone }),
    onConvert: ({ done, total }) => tell({ status: "converting", total, completed: done }),
    onRetry: (why, waitMs) =>
      tell({ status: `${why}; trying again in ${Math.ceil(waitMs / 1000)} s` }),
    onWait: () => tell({ status: "waiting for another process that fetches this model" }),
  });
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
