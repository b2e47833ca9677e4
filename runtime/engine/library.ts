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

/** Environment variable that switches the library's telemetry off when it is "1". */
const TELEMETRY_SWITCH = "ORT_DISABLE_TELEMETRY";

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

/** The open library: set when the first engine is loaded, never closed. */
let held: { path: string; handle: unknown } | undefined;

/**
 * Path of the library on this machine. The library is opened here once and stays open: closing it
 * while its own threads still run would crash the process. Its telemetry is switched off first.
 *
 * Throws `engine_failed` where there is no library or its telemetry cannot be switched off, and
 * whatever `Deno.dlopen` throws.
 */
export function heldLibrary(): string {
  held ??= openLibrary();
  return held.path;
}

function openLibrary(): { path: string; handle: unknown } {
  disableTelemetry();
  const path = ortLibrary();
  return { path, handle: Deno.dlopen(path, {}) };
}

/**
 * Switches the library's telemetry off for this process, whatever the variable said before. On
 * Linux and macOS the library would otherwise send events to its makers and keep a device id in the
 * user's cache folder. It reads the variable once, when it starts, from the environment of the
 * process.
 *
 * A program that may not set the variable gets no engine: setting it by a call of the C library
 * would work, but it would evade the permissions that the program's user chose.
 */
function disableTelemetry(): void {
  try {
    Deno.env.set(TELEMETRY_SWITCH, "1");
  } catch (cause) {
    throw engineError(
      "engine_failed",
      `ONNX Runtime was not opened since this program may not set ${TELEMETRY_SWITCH}, without ` +
        `which the library sends telemetry; run it with --allow-env=${TELEMETRY_SWITCH}`,
      { variable: TELEMETRY_SWITCH },
      cause,
    );
  }
}
