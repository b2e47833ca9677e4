/**
 * What a key, a prefix and a transaction may look like: the same for every back end, so that what
 * works on one works on all.
 *
 * @module
 */
import {
  MAX_CHANGES,
  MAX_CHECKS,
  MAX_KEY_CHARS,
  MAX_VALUE_BYTES,
  type RegistryTransaction,
} from "./contract.ts";
import { registryError } from "./errors.ts";

const KEY = /^[A-Za-z0-9._~:@/-]*$/;
const ID = /^[A-Za-z0-9-]{8,64}$/;
/** The longest lease, milliseconds: 30 days. */
const MAX_TTL_MS = 30 * 86_400_000;

/** Throws `invalid_key` unless it is 1-256 characters of `A-Z a-z 0-9 . _ ~ : @ / -`. */
export function checkKey(key: string): void {
  if (key === "") throw invalidKey("key", key);
  checkPrefix(key, "key");
}

/** As {@linkcode checkKey}; an empty prefix is allowed. */
export function checkPrefix(prefix: string, what = "prefix"): void {
  if (typeof prefix !== "string" || prefix.length > MAX_KEY_CHARS || !KEY.test(prefix)) {
    throw invalidKey(what, prefix);
  }
}

/** Throws `invalid_transaction` unless it is a time of 1 ms to 30 days. */
export function checkTtl(ttlMs: number): void {
  if (!(ttlMs >= 1 && ttlMs <= MAX_TTL_MS)) {
    throw invalid(`a lease of ${ttlMs} ms must be of 1-${MAX_TTL_MS} ms`);
  }
}

/** Throws what {@linkcode Registry.transact} says, before anything is sent. */
export function checkTransaction(transaction: RegistryTransaction): void {
  const { checks = [], sets = [], deletes = [], id } = transaction;
  const changes = sets.length + deletes.length;
  if (changes === 0) throw invalid("a transaction must set or delete something");
  if (changes > MAX_CHANGES) {
    throw invalid(`a transaction of ${changes} changes is over the limit of ${MAX_CHANGES}`);
  }
  if (checks.length > MAX_CHECKS) {
    throw invalid(`a transaction of ${checks.length} checks is over the limit of ${MAX_CHECKS}`);
  }
  if (id !== undefined && !ID.test(id)) {
    throw invalid(`write id ${JSON.stringify(id)} must be 8-64 letters, digits and dashes`);
  }
  for (const { key, version } of checks) {
    checkKey(key);
    if (!Number.isSafeInteger(version) || version < 0) {
      throw invalid(`version ${version} of ${key} must be a whole number, 0 for an absent key`);
    }
  }
  const seen = new Set<string>();
  for (const key of [...sets.map((set) => set.key), ...deletes]) {
    checkKey(key);
    if (seen.has(key)) throw invalid(`a transaction changes ${key} twice`);
    seen.add(key);
  }
  const twice = checks.map(({ key }) => key).find((key, i, all) => all.indexOf(key) < i);
  if (twice !== undefined) throw invalid(`a transaction checks ${twice} twice`);
  for (const { key, value } of sets) {
    if (!(value instanceof Uint8Array)) throw invalid(`the value of ${key} must be bytes`);
    if (value.byteLength > MAX_VALUE_BYTES) {
      throw registryError(
        "too_large",
        `the value of ${key} has ${value.byteLength} bytes, more than ${MAX_VALUE_BYTES}; ` +
          `keep large data in files and their hashes here`,
        { key, bytes: value.byteLength, limit: MAX_VALUE_BYTES },
      );
    }
  }
}

function invalidKey(what: string, value: unknown): Error {
  return registryError(
    "invalid_key",
    `${what} ${JSON.stringify(value)?.slice(0, 300)} must be ${
      what === "key" ? "1" : "0"
    }-${MAX_KEY_CHARS} characters of A-Z a-z 0-9 . _ ~ : @ / -`,
  );
}

function invalid(message: string): Error {
  return registryError("invalid_transaction", message);
}
