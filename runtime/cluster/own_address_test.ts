import assert from "node:assert/strict";
import { reset } from "@logtape/logtape";
import { fileURLToPath } from "node:url";
import { keepWarnings } from "../../tests/support/keep_warnings.ts";
import { LAN_ADDRESS, LanNamespace } from "../../tests/support/lan_namespace.ts";
import { type AddressFacts, OwnAddress, type OwnInterface } from "./own_address.ts";

const ip = (name: string, address: string): OwnInterface => ({
  name,
  address,
  family: address.includes(":") ? "IPv6" : "IPv4",
});

/** A laptop: a VPN comes first, Wi-Fi second; `routes`: the local address by peer. */
const facts = (routes: Record<string, string>, interfaces = [
  ...[ip("lo", "127.0.0.1"), ip("tun0", "10.8.0.2"), ip("docker0", "172.17.0.1")],
  ...[ip("wlan0", "192.168.1.7"), ip("wlan0", "fe80::1")],
]): AddressFacts => ({
  interfaces: () => interfaces,
  routeTo: (peer) => routes[peer],
  resolve: (name) =>
    name === "den.local"
      ? Promise.resolve(["fd00::2", "192.168.1.2"])
      : Promise.reject(new Error("not found")),
});
const ROUTES = {
  "192.168.1.2": "192.168.1.7",
  "10.8.0.1": "10.8.0.2",
  "198.51.100.1": "10.8.0.2", // the VPN takes whatever is not local
  "fd00::2": "fd00::7",
  "127.0.0.1": "127.0.0.1",
};

/** The address told, after choosing by these peers in turn. */
async function told(host: string, peers: string[], given = facts(ROUTES)): Promise<string> {
  const own = new OwnAddress(host, given);
  for (const peer of peers) await own.chooseBy(peer);
  return own.host;
}

Deno.test("OwnAddress keeps a stated address", async () => {
  assert.equal(await told("10.0.0.3", ["192.168.1.2"]), "10.0.0.3");
  assert.equal(await told("::1", []), "::1");
});

Deno.test("OwnAddress.chooseBy() takes the address of the route to a peer, a VPN's too", async () => {
  assert.equal(await told("0.0.0.0", ["192.168.1.2"]), "192.168.1.7");
  assert.equal(await told("0.0.0.0", ["10.8.0.1"]), "10.8.0.2");
  assert.equal(await told("0.0.0.0", ["10.8.0.1", "192.168.1.2"]), "10.8.0.2", "the first counts");
  assert.equal(await told("0.0.0.0", ["den.local"]), "192.168.1.7", "it does not listen on IPv6");
  assert.equal(await told("::", ["den.local"]), "fd00::7");
});

Deno.test("OwnAddress passes interfaces of VPNs and containers over where no peer tells the route", async () => {
  for (const peers of [[], ["127.0.0.1"], ["nobody.local"], ["203.0.113.9"]]) {
    assert.equal(await told("0.0.0.0", peers), "192.168.1.7", peers.join());
  }
  const two = [ip("eth0", "192.168.1.7"), ip("eth1", "10.0.0.7")];
  assert.equal(await told("0.0.0.0", [], facts({ "198.51.100.1": "10.0.0.7" }, two)), "10.0.0.7");
  assert.equal(await told("0.0.0.0", [], facts({}, [ip("tun0", "10.8.0.2")])), "10.8.0.2");
  assert.equal(await told("0.0.0.0", [], facts({}, [ip("lo", "127.0.0.1")])), "127.0.0.1");
});

Deno.test("OwnAddress warns where it guesses among several addresses, once", async () => {
  const two = [ip("eth0", "192.168.1.7"), ip("eth1", "10.0.0.7")];
  const lines: string[] = [];
  await keepWarnings(lines);
  const own = new OwnAddress("0.0.0.0", facts({}, two));
  assert.deepEqual([own.host, own.host], ["192.168.1.7", "192.168.1.7"]);
  assert.equal(lines.length, 1);
  assert.match(lines[0], /at "?192\.168\.1\.7"?: .*10\.0\.0\.7 \(eth1\).*--host ADDRESS/);
  await reset();
});

/** A second interface beside that of a {@linkcode LanNamespace}, as a VPN's would be. */
const VPN = "ip link add tun9 type veth peer name tun8 && ip addr add 10.8.0.2/24 dev tun9 && " +
  "ip link set tun9 up && ip link set tun8 up";

Deno.test("OwnAddress asks the routes of a machine with two networks (Linux)", async () => {
  await using lan = await LanNamespace.open();
  if (!lan) return; // this machine makes no network namespaces
  const run = async (command: string, ...args: string[]) => {
    const [nsenter, ...within] = lan.within;
    const { code, stdout, stderr } = await new Deno.Command(nsenter, {
      args: [...within, command, ...args],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  await run("sh", "-c", VPN);
  const module = new URL("own_address.ts", import.meta.url).href;
  const program = `import { OwnAddress } from ${JSON.stringify(module)};
    for (const peer of ["10.77.0.9", "10.8.0.9"]) {
      const own = new OwnAddress("0.0.0.0");
      await own.chooseBy(peer);
      console.log(own.host);
    }`;
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const ran = await run(Deno.execPath(), "eval", "--no-check", "--config", config, program);
  assert.deepEqual(ran.trim().split("\n"), [LAN_ADDRESS, "10.8.0.2"]);
});
