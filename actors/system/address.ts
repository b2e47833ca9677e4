/**
 * Addresses: `deployment/kind/key`. An address names an actor, never the
 * node on which it runs.
 *
 * @module
 */
import { OrreryError } from "./errors.ts";

/** `deployment/kind/key`, each part 1-128 characters of `A-Z a-z 0-9 . _ ~ : -`. */
export type Address = `${string}/${string}/${string}`;

const PART = /^[A-Za-z0-9._~:-]{1,128}$/;

/** Builds an address. Throws `invalid_address` for a part with other characters. */
export function address(deployment: string, kind: string, key: string): Address {
  for (const part of [deployment, kind, key]) {
    if (!PART.test(part)) {
      throw new OrreryError({
        group: "actor",
        code: "invalid_address",
        message: `address part ${
          JSON.stringify(part)
        } must be 1-128 characters of A-Z a-z 0-9 . _ ~ : -`,
      });
    }
  }
  return `${deployment}/${kind}/${key}`;
}

/** The parts of an address. */
export interface AddressParts {
  /** Which model's placement, or which part of the system, it belongs to. */
  readonly deployment: string;
  /** Kind of the actor. */
  readonly kind: string;
  /** Which actor of that kind. */
  readonly key: string;
}

/** Most addresses whose parts are remembered. */
const MOST_PARSED = 4096;
/** Parts of valid addresses: each message names two, most of them again and again. */
const parsed = new Map<string, AddressParts>();

/** Splits an address. Throws `invalid_address` if it has not three valid parts. */
export function parseAddress(text: string): AddressParts {
  const known = parsed.get(text);
  if (known) return known;
  const parts = split(text);
  if (parsed.size >= MOST_PARSED) parsed.clear();
  parsed.set(text, parts);
  return parts;
}

function split(text: string): AddressParts {
  const [deployment, kind, key, ...rest] = text.split("/");
  if (rest.length || key === undefined) {
    throw new OrreryError({
      group: "actor",
      code: "invalid_address",
      message: `address ${JSON.stringify(text)} must be deployment/kind/key`,
    });
  }
  address(deployment, kind, key);
  return { deployment, kind, key };
}
