import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { chooseApiAddress } from "../access/mod.ts";
import { type NodePorts, portLines } from "./open_ports.ts";

/** The lines of a first node with these options; its ports are the usual ones. */
function said(
  { host = "127.0.0.1", apiHost, keyFile, open = false, ...rest }:
    & { host?: string; apiHost?: string; open?: boolean }
    & Partial<NodePorts>,
): string[] {
  const address = chooseApiAddress({ host, apiHost, keys: keyFile !== undefined, open });
  const ports = {
    mailbox: { host, port: 8421 },
    api: { ...address, port: 8420 },
    ...{ keyFile, announces: false, ...rest },
  };
  return portLines(ports).map(stripVTControlCharacters);
}

const MAILBOX = "with a certificate of this cluster or a join token";
const OPEN = `open     mailbox 0.0.0.0:8421: nodes on any machine that reaches it, ${MAILBOX}`;
const LOCAL = `local    mailbox 127.0.0.1:8421: nodes on this machine, ${MAILBOX}`;

Deno.test("portLines() says of each port who gets in, whatever the options", () => {
  assert.deepEqual(said({}), [
    LOCAL,
    "local    API 127.0.0.1:8420: programs on this machine, without a key",
  ]);
  assert.deepEqual(said({ keyFile: "keys.json" }), [
    LOCAL,
    "local    API 127.0.0.1:8420: programs on this machine, with a key of keys.json",
  ]);
  assert.deepEqual(said({ host: "0.0.0.0" }), [
    OPEN,
    "local    API 127.0.0.1:8420, not on --host, as there are no API keys: programs on this " +
    "machine, without a key; open it with `deno task keys create NAME` (then start again) or " +
    "--no-api-key",
  ]);
  assert.deepEqual(said({ host: "0.0.0.0", open: true }), [
    OPEN,
    "open     API 0.0.0.0:8420: everybody who reaches it, without a key (--no-api-key)",
  ]);
  assert.deepEqual(said({ host: "0.0.0.0", keyFile: "keys.json" }), [
    OPEN,
    "open     API 0.0.0.0:8420: everybody who reaches it, with a key of keys.json",
  ]);
  assert.deepEqual(said({ apiHost: "::", keyFile: "keys.json" }), [
    LOCAL,
    "open     API [::]:8420: everybody who reaches it, with a key of keys.json",
  ]);
  assert.throws(() => said({ apiHost: "0.0.0.0" }), /--api-host 0\.0\.0\.0 .* needs keys/);
});

Deno.test("portLines() names etcd's ports and multicast DNS, where the node uses them", () => {
  const etcd = { host: "0.0.0.0", peers: 8422, clients: 8423 };
  assert.deepEqual(said({ host: "0.0.0.0", announces: true, etcd }).slice(2), [
    "open     etcd 0.0.0.0:8422 and 8423: nodes of this cluster that are servers of its registry",
    "open     UDP port 5353 (mDNS): tells where this cluster is (off: --no-discovery)",
  ]);
});
