/**
 * Where ONNX Runtime is.
 *
 * @module
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { engineError } from "./errors.ts";

const SYSTEMS: Record<string, { folder: string; file: string }> = {
  linux: { folder: "linux", file: "libonnxruntime.so.1" },
  darwin: { folder: "darwin", file: "libonnxruntime.1.dylib" },
  windows: { folder: "win32", file: "onnxruntime.dll" },
};

/**
 * Path of the library that the package `onnxruntime-node` brings for a machine. Throws
 * `engine_failed` where it brings none.
 */
export function ortLibrary({ os, arch }: { os: string; arch: string } = Deno.build): string {
  const system = SYSTEMS[os];
  const machine = { x86_64: "x64", aarch64: "arm64" }[arch];
  if (!system || !machine || (os === "darwin" && machine === "x64")) {
    throw engineError(
      "engine_failed",
      `onnxruntime-node brings no library for ${os} on ${arch}; use Linux, Windows or macOS on Apple silicon`,
      { os, arch },
    );
  }
  const entry = createRequire(import.meta.url).resolve("onnxruntime-node");
  return join(dirname(dirname(entry)), "bin", "napi-v6", system.folder, machine, system.file);
}

type Held = { path: string; handle: unknown } | { error: unknown };

/**
 * The library, open for as long as the process lives; or why it is not. Nobody is asked for
 * permissions before it is needed.
 */
let held: Held | undefined = allowed() ? hold() : undefined;

/**
 * Path of the library on this machine. It stays open here: a worker that ends would take it away
 * from under the library's own threads, which crashes the process. Throws `engine_failed` where
 * there is none, and what opening it threw.
 */
export function heldLibrary(): string {
  held ??= hold();
  if ("error" in held) throw held.error;
  return held.path;
}

function hold(): Held {
  try {
    const path = ortLibrary();
    return { path, handle: Deno.dlopen(path, {}) };
  } catch (error) {
    return { error };
  }
}

function allowed(): boolean {
  return (["ffi", "read"] as const).every((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
}
