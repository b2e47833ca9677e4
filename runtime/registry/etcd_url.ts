/**
 * `etcd://` addresses.
 *
 * @module
 */
import { registryError } from "../../actors/mod.ts";

/** Where etcd is, and how it is spoken to. */
export interface EtcdAddress {
  /** Base URLs of the members, e.g. `https://10.0.0.1:2379`, in the order in which they are tried. */
  endpoints: string[];
  /** PEM file of the CA that signed the members' certificates. @default the system's CAs */
  caFile?: string;
  /** PEM files of this client's certificate and its key. */
  certFile?: string;
  keyFile?: string;
  /** Name of the user. @default no authentication */
  user?: string;
  /** File whose first line is the user's password. */
  passwordFile?: string;
  /** What the names of all keys begin with. @default "orrery/" */
  prefix: string;
  /** Milliseconds that one member may take to answer, before another is asked. @default 2000 */
  tryMs?: number;
}

const PORT = 2379;
const HOST = /^(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?$/;
const PREFIX = /^[A-Za-z0-9._~:@/-]{1,128}$/;
const OPTIONS = ["tls", "ca", "cert", "key", "user", "password_file", "prefix"];

/**
 * Reads `etcd://HOST[:PORT],...[?OPTION=VALUE&...]`. TLS is used with `tls`, `ca` or `cert`; the
 * options are those that the error names. Throws `registry/bad_url`.
 */
export function parseEtcdUrl(url: string): EtcdAddress {
  const [, hosts, query = ""] = /^etcd:\/\/([^/?#]*)\/?(?:\?([^#]*))?$/.exec(url) ?? [];
  if (!hosts) throw bad(url, "it is not etcd://HOST[:PORT],...");
  const options = new URLSearchParams(query);
  const unknown = [...options.keys()].find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) {
    throw bad(url, `option ${unknown} is none of ${OPTIONS.join(", ")}`);
  }
  const option = (name: string) => options.get(name) || undefined;
  const tls = ["tls", "ca", "cert"].some((name) => options.has(name));
  const endpoints = hosts.split(",").map((host) => {
    const match = HOST.exec(host);
    if (!match || Number(match[1] ?? PORT) > 65_535) throw bad(url, `${host} is no HOST[:PORT]`);
    return `${tls ? "https" : "http"}://${host}${match[1] === undefined ? `:${PORT}` : ""}`;
  });
  if ((option("cert") === undefined) !== (option("key") === undefined)) {
    throw bad(url, "a client certificate needs both cert and key");
  }
  if ((option("user") === undefined) !== (option("password_file") === undefined)) {
    throw bad(url, "a user needs both user and password_file");
  }
  const prefix = option("prefix") ?? "orrery/";
  if (!PREFIX.test(prefix)) {
    throw bad(url, `prefix ${prefix} must be 1-128 characters of A-Z a-z 0-9 . _ ~ : @ / -`);
  }
  return {
    endpoints: [...new Set(endpoints)],
    caFile: option("ca"),
    certFile: option("cert"),
    keyFile: option("key"),
    user: option("user"),
    passwordFile: option("password_file"),
    prefix,
  };
}

function bad(url: string, why: string): Error {
  return registryError("bad_url", `registry ${url} cannot be used: ${why}`, { url });
}
