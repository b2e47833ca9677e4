/**
 * The file of API keys: names, ids and hashes, never a key itself.
 *
 * A key is `orrery_ID_SECRET`: the id (8 hexadecimal digits) names it in lists and logs, the secret
 * is 256 random bits. The file holds the SHA-256 of the whole key. A slow hash, as passwords need,
 * would protect nothing: nobody can try 2^256 secrets however quick the hash is. It would also let
 * anybody who sends wrong keys keep the node's processor busy.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { z } from "zod";
import { OrreryError } from "../../actors/mod.ts";

/** Name of the file in the data folder where commands look for keys unless told otherwise. */
export const KEY_FILE = "api-keys.json";

/** Most keys of a file. */
const MOST_KEYS = 1_000;

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u;

const limitsSchema = z.strictObject({
  /** Requests in flight at a node. @default as many as the node takes */
  requests: z.int().min(1).max(1_000_000).optional(),
  /** Tokens of prompts and answers a minute at a node. @default any number */
  tokens_per_minute: z.int().min(1).max(1_000_000_000).optional(),
});

/** How much a key may use of each node. */
export type KeyLimits = z.output<typeof limitsSchema>;

const recordSchema = z.strictObject({
  /** Names the key in lists and logs: 8 hexadecimal digits. */
  id: z.string().regex(/^[0-9a-f]{8}$/, "expected 8 hexadecimal digits"),
  /** What its owner calls it. */
  name: z.string().regex(NAME, "expected 1 to 64 letters, digits, spaces and ._@-"),
  /** SHA-256 of the key, as 64 hexadecimal digits. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits"),
  /** When it was made, ISO 8601. */
  created: z.iso.datetime(),
  /** How much it may use. @default as much as the node gives */
  limits: limitsSchema.optional(),
});

const fileSchema = z.strictObject({
  version: z.literal(1),
  keys: z.array(recordSchema).max(MOST_KEYS),
});

/** A key as the file keeps it. */
export type KeyRecord = z.output<typeof recordSchema>;

/** SHA-256 of a key. */
export const hashKey = (key: string): Uint8Array => createHash("sha256").update(key).digest();

/** The id within a text that has the form of a key; undefined: it has another form. */
export const keyId = (key: string): string | undefined =>
  /^orrery_([0-9a-f]{8})_[A-Za-z0-9_-]{43}$/.exec(key)?.[1];

/**
 * The keys of a file. Throws group `access`: `no_key_file` (there is none), `bad_key_file` (it
 * cannot be read or has another form; metadata: `file`).
 */
export function readKeyFile(file: string): KeyRecord[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw badFile(file, (error as Error).message);
    throw new OrreryError({
      group: "access",
      code: "no_key_file",
      message: `there is no file ${file}: make a key with \`deno task keys create NAME\``,
      metadata: { file },
    });
  }
  return parseKeyFile(file, text);
}

function parseKeyFile(file: string, text: string): KeyRecord[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw badFile(file, (error as Error).message);
  }
  const parsed = fileSchema.safeParse(json);
  if (parsed.success) return parsed.data.keys;
  const [{ path, message }] = parsed.error.issues;
  throw badFile(file, `${path.join(".") || "the file"}: ${message}`);
}

function badFile(file: string, why: string): OrreryError {
  return new OrreryError({
    group: "access",
    code: "bad_key_file",
    message: `${file} is no file of API keys: ${why}`,
    metadata: { file },
  });
}

/**
 * Makes a key and adds it to the file, which is made if there is none. Only the returned text has
 * the key; it cannot be had again. Throws group `access`: `bad_key_name`, `key_exists` (the name is
 * taken), `bad_key_file`, `too_many_keys`.
 */
export async function createApiKey(
  file: string,
  name: string,
  limits?: KeyLimits,
): Promise<{ key: string; record: KeyRecord }> {
  if (!NAME.test(name)) {
    throw refused(
      "bad_key_name",
      `a key's name has 1 to 64 letters, digits, spaces and ._@-, got ${JSON.stringify(name)}`,
    );
  }
  const id = randomBytes(4).toString("hex");
  const key = `orrery_${id}_${randomBytes(32).toString("base64url")}`;
  const record: KeyRecord = {
    id,
    name,
    sha256: hashKey(key).toHex(),
    created: new Date().toISOString(),
    ...(limits && { limits }),
  };
  await changeFile(file, (keys) => {
    const taken = keys.find((k) => k.name === name);
    if (taken) {
      const hint = `choose another name, or revoke it with \`deno task keys revoke ${taken.id}\``;
      throw refused("key_exists", `${file} has a key named ${JSON.stringify(name)}: ${hint}`);
    }
    if (keys.length >= MOST_KEYS) {
      throw refused("too_many_keys", `${file} has ${MOST_KEYS} keys, which is the most it holds`);
    }
    return [...keys, record];
  });
  return { key, record };
}

/**
 * Removes a key from the file and returns it. Throws group `access`: `unknown_key`, `no_key_file`,
 * `bad_key_file`.
 */
export async function revokeApiKey(file: string, id: string): Promise<KeyRecord> {
  let removed: KeyRecord | undefined;
  readKeyFile(file); // without a file there is nothing to revoke, and none is made
  await changeFile(file, (keys) => {
    removed = keys.find((k) => k.id === id);
    return keys.filter((k) => k !== removed);
  });
  if (removed) return removed;
  throw refused(
    "unknown_key",
    `${file} has no key with the id ${JSON.stringify(id)}: \`deno task keys list\` shows them`,
  );
}

const refused = (code: string, message: string): OrreryError =>
  new OrreryError({ group: "access", code, message });

/**
 * Changes the file under a lock, so that two commands at once lose nothing. The new file takes the
 * old one's place in one step, so a node that reads it meanwhile sees one or the other.
 */
async function changeFile(
  file: string,
  change: (keys: KeyRecord[]) => KeyRecord[],
): Promise<void> {
  await Deno.mkdir(dirname(file), { recursive: true });
  using lock = await Deno.open(`${file}.lock`, { create: true, write: true, mode: 0o600 });
  await lock.lock(true);
  let keys: KeyRecord[] = [];
  try {
    keys = readKeyFile(file);
  } catch (error) {
    if (!(error instanceof OrreryError && error.code === "no_key_file")) throw error;
  }
  const text = JSON.stringify({ version: 1, keys: change(keys) }, null, 2) + "\n";
  const temporary = join(dirname(file), `.${crypto.randomUUID()}.tmp`);
  try {
    await Deno.writeTextFile(temporary, text, { mode: 0o600, createNew: true });
    await Deno.rename(temporary, file);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {}); // it was not made, or has its new name
    throw error;
  }
}
