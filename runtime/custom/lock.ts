/**
 * Runs in a custom actor's worker before the module does. It keeps the message channel to the node
 * for {@linkcode post} and {@linkcode listen}, and removes the globals that Deno gives to every
 * worker whatever its permissions.
 *
 * This protects the node from accidents (a `close()`, a signal to its own process). What a worker
 * may read and which hosts it may reach is decided by Deno's permissions alone.
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

/** Sends a message to the node. Throws a `DataCloneError` for a value that cannot be copied. */
export function post(message: unknown): void {
  send(message);
}

/** Calls `handle` with every message from the node. */
export function listen(handle: (data: unknown) => void): void {
  scope.onmessage = ({ data }) => handle(data);
}

/** Bytes of this worker's heap and of its buffers outside the heap. */
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
