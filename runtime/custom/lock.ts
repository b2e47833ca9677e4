/**
 * Runs in a custom actor's worker before the module does: keeps the door to the node for
 * {@linkcode post} and {@linkcode listen}, and takes away what Deno gives to any worker whatever
 * its permissions.
 *
 * This keeps accidents from the node (a `close()`, a signal to its own process); what a worker may
 * read and reach is decided by Deno's permissions alone.
 *
 * @module
 */
import process from "node:process";

const scope = globalThis as unknown as Record<string, unknown> & {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
};
const send = scope.postMessage.bind(globalThis);
const memory = Deno.memoryUsage.bind(Deno);

/** Sends to the node. Throws a `DataCloneError` for what cannot be copied. */
export function post(message: unknown): void {
  send(message);
}

/** Hears the node. */
export function listen(handle: (data: unknown) => void): void {
  scope.onmessage = ({ data }) => handle(data);
}

/** Bytes that this worker's objects take. */
export function bytesUsed(): number {
  const { heapUsed, external } = memory();
  return heapUsed + external;
}

const refuse = (what: string) => () => {
  throw new Error(`${what} is not for custom actors`);
};
for (
  const name of ["postMessage", "close", "caches", "BroadcastChannel", "Worker", "SharedWorker"]
) {
  Object.defineProperty(globalThis, name, {
    value: undefined,
    configurable: false,
    writable: false,
  });
}
for (const name of ["exit", "kill", "addSignalListener", "abort", "reallyExit", "dlopen"]) {
  for (const owner of [Deno, process]) {
    if (!(name in owner)) continue;
    Object.defineProperty(owner, name, {
      value: refuse(name),
      configurable: false,
      writable: false,
    });
  }
}
