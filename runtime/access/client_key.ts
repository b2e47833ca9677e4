/**
 * The key that a client program sends.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** Environment variable with the key that clients send unless told otherwise. */
export const KEY_VARIABLE = "ORRERY_API_KEY";

/**
 * The key in a file, else the one in the environment variable `ORRERY_API_KEY`; undefined: there is
 * neither. Throws group `access`, code `bad_client_key`, for a file that cannot be read, or that
 * holds anything but one key.
 */
export function clientKey(file?: string): string | undefined {
  if (file === undefined) {
    // A program that may not read the variable has no key, as if there were none.
    const { state } = Deno.permissions.querySync({ name: "env", variable: KEY_VARIABLE });
    return state === "granted" ? Deno.env.get(KEY_VARIABLE)?.trim() || undefined : undefined;
  }
  let text: string;
  try {
    text = Deno.readTextFileSync(file).trim();
  } catch (error) {
    throw bad(file, `it cannot be read: ${(error as Error).message}`);
  }
  if (text.startsWith("{")) {
    throw bad(file, "it is a node's file of hashes; a client needs the key that `create` printed");
  }
  if (!/^[\x21-\x7e]{1,512}$/.test(text)) throw bad(file, "expected one key and nothing else");
  return text;
}

/** Headers that carry a key; {} without one. */
export const keyHeaders = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key}` };

function bad(file: string, why: string): OrreryError {
  return new OrreryError({
    group: "access",
    code: "bad_client_key",
    message: `--api-key-file ${file}: ${why}`,
    metadata: { file },
  });
}
