/**
 * The keys that a running node accepts: those of its key file as it is now.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { hashKey, keyId, type KeyLimits, type KeyRecord, readKeyFile } from "./key_file.ts";

/** Milliseconds for which the file counts as unchanged: a revoked key works no longer than that. */
const LOOK_MS = 250;

/** What a request's `authorization` header is worth. */
export type KeyVerdict =
  /** It has a key that is accepted. */
  | { state: "accepted"; id: string; name: string; limits?: KeyLimits }
  /** The request has no such header. */
  | { state: "missing" }
  /** The header has no key after the word `Bearer`. */
  | { state: "malformed" }
  /** Its key is not accepted; `id` where one of that id is, so its secret is wrong. */
  | { state: "wrong"; id?: string }
  /** The file cannot be read now, so nobody is let in; `why` is for the log. */
  | { state: "unreadable"; why: string };

/** Compared with where no key has the id asked for; no key has this hash. */
const NO_HASH = new Uint8Array(32);

/** What lists and logs call the key with which a node asks itself. */
const OWN = { id: "00000000", name: "this node" };

/** Settings of {@linkcode ApiKeys}. */
interface ApiKeysOptions {
  /** Milliseconds since any fixed point. @default performance.now */
  now?: () => number;
}

/** The keys of a file, read again when it has changed. */
export class ApiKeys {
  /** The file of keys. */
  readonly file: string;
  /**
   * A key that is accepted as long as this object lives: with it the node asks its own API. No file
   * has it.
   */
  readonly own = `orrery_${OWN.id}_${randomBytes(32).toString("base64url")}`;
  readonly #now: () => number;
  #records = new Map<string, KeyRecord>();
  #problem?: string;
  #stamp = "";
  #lookedAt = -Infinity;

  /** Reads the file. Throws as {@linkcode readKeyFile}. */
  constructor(file: string, { now = () => performance.now() }: ApiKeysOptions = {}) {
    this.file = file;
    this.#now = now;
    readKeyFile(file);
    this.#look();
  }

  /** Number of keys that are accepted now. */
  get size(): number {
    this.#look();
    return this.#records.size;
  }

  /** Judges the value of an `authorization` header. */
  check(authorization: string | undefined): KeyVerdict {
    this.#look();
    if (this.#problem !== undefined) return { state: "unreadable", why: this.#problem };
    if (authorization === undefined) return { state: "missing" };
    const key = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (key === undefined) return { state: "malformed" };
    const id = keyId(key) ?? "";
    const record = this.#records.get(id);
    const expected = id === OWN.id
      ? hashKey(this.own)
      : record
      ? Uint8Array.fromHex(record.sha256)
      : NO_HASH;
    // Hashes are compared, in constant time: how long it takes tells nothing of the key.
    if (timingSafeEqual(hashKey(key), expected)) {
      return { state: "accepted", ...(record ? accepted(record) : OWN) };
    }
    return { state: "wrong", ...(record && { id }) };
  }

  /** Reads the file again if it has changed since the last look. */
  #look(): void {
    const now = this.#now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    try {
      const { mtime, size, ino } = Deno.statSync(this.file);
      const stamp = `${mtime?.getTime()} ${size} ${ino}`;
      if (stamp === this.#stamp && this.#problem === undefined) return;
      this.#records = new Map(readKeyFile(this.file).map((record) => [record.id, record]));
      this.#stamp = stamp;
      this.#problem = undefined;
    } catch (error) {
      this.#problem = (error as Error).message;
      this.#records.clear();
    }
  }
}

const accepted = ({ id, name, limits }: KeyRecord) => ({ id, name, ...(limits && { limits }) });
