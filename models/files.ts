/**
 * Files of a model folder: read whole, with errors that name the path.
 *
 * @module
 */
import { modelError, reasonOf } from "./errors.ts";

/**
 * The bytes of a file, or undefined when it does not exist. Throws OrreryError
 * `model/file_unreadable` for any other failure.
 */
export async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw modelError("file_unreadable", `${path} cannot be read: ${reasonOf(error)}`, {
      file: path,
    });
  }
}

/**
 * The bytes of a file that a model folder must have. Throws OrreryError `model/file_missing` or
 * `model/file_unreadable`.
 */
export async function readRequired(path: string): Promise<Uint8Array> {
  const bytes = await readIfThere(path);
  if (bytes) return bytes;
  throw modelError("file_missing", `${path} does not exist; a model folder must have it`, {
    file: path,
  });
}

/** A string of JSON, or a number that Python writes and JSON does not know. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/**
 * The value of a JSON text in UTF-8 as Python writes it: with `Infinity`, and with `NaN`, which
 * becomes null. `path` is where it lies, for the message. Throws OrreryError `model/file_malformed`.
 */
export function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    const text = new TextDecoder().decode(bytes);
    if (!/Infinity|NaN/.test(text)) return JSON.parse(text);
    const numbers: Record<string, string> = {
      "Infinity": "1e999", // which is read as infinity
      "-Infinity": "-1e999",
      "NaN": "null",
    };
    return JSON.parse(text.replace(STRING_OR_NUMBER, (found) => numbers[found] ?? found));
  } catch (error) {
    throw modelError("file_malformed", `${path} is not JSON: ${reasonOf(error)}`, { file: path });
  }
}

/**
 * The value of a JSON file that a model folder must have. Throws as {@linkcode readRequired} and
 * {@linkcode parseJson} do.
 */
export async function readJsonFile(path: string): Promise<unknown> {
  return parseJson(await readRequired(path), path);
}
