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

/** Splits an address. Throws `invalid_address` if it has not three valid parts. */
export function parseAddress(text: string): { deployment: string; kind: string; key: string } {
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
