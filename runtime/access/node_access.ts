/**
 * Who may ask a node's API, by the node's options.
 *
 * @module
 */
import { join } from "node:path";
import { OrreryError } from "../../actors/mod.ts";
import { type ApiAddress, chooseApiAddress } from "./api_address.ts";
import { ApiKeys } from "./api_keys.ts";
import { HostNames } from "./host_names.ts";
import { KEY_FILE } from "./key_file.ts";
import { webOrigin } from "./web_origin.ts";

/** Who may ask a node's API, and where it listens. */
export interface AccessOptions {
  /**
   * Address that the API listens on. @default that of the mailbox where the API has keys or needs
   * none, else `127.0.0.1`
   */
  apiHost?: string;
  /** File of API keys. @default `api-keys.json` in the data folder, if it is there */
  apiKeyFile?: string;
  /** Let everybody ask who reaches the API, keys or not. @default false */
  noApiKey?: boolean;
  /** Origins of web pages that may call the API. @default none */
  cors?: string[];
  /** Names under which the API answers, beside `localhost` and this machine's own. */
  allowHosts?: string[];
}

/** What {@linkcode AccessOptions} come to. */
export interface NodeAccess {
  /** Where the API listens. */
  address: ApiAddress;
  /** The keys that are accepted; undefined: none is needed. */
  keys?: ApiKeys;
  /** Names under which the API answers. */
  hosts: HostNames;
  /** Origins of web pages that may call the API. */
  origins: string[];
}

/**
 * Reads the keys and decides where the API listens. `host` is where the mailbox listens.
 *
 * Throws group `access`: `no_key_file`, `bad_key_file`, `no_keys` (the file holds none), `key_needed`,
 * `bad_origin`, `bad_host_name`.
 */
export function nodeAccess(
  { host, data, apiHost, apiKeyFile, noApiKey = false, cors = [], allowHosts = [] }:
    & AccessOptions
    & { host: string; data: string },
): NodeAccess {
  const file = noApiKey ? undefined : apiKeyFile ?? existing(join(data, KEY_FILE));
  const keys = file === undefined ? undefined : new ApiKeys(file);
  if (keys?.size === 0) {
    throw new OrreryError({
      group: "access",
      code: "no_keys",
      message: `${file} holds no keys, so nobody could ask: make one with ` +
        "`deno task keys create NAME`, or start with --no-api-key",
      metadata: { file },
    });
  }
  for (const name of allowHosts) {
    if (HostNames.normal(name) === undefined) {
      throw new OrreryError({
        group: "access",
        code: "bad_host_name",
        message: `--allow-host takes a host name such as box.example.org, got ${
          JSON.stringify(name)
        }`,
        metadata: { name },
      });
    }
  }
  const address = chooseApiAddress({ host, apiHost, keys: keys !== undefined, open: noApiKey });
  return {
    address,
    keys,
    hosts: new HostNames([address.host, host, ...allowHosts]),
    origins: cors.map(webOrigin),
  };
}

function existing(file: string): string | undefined {
  try {
    return Deno.statSync(file) && file;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw error;
  }
}
