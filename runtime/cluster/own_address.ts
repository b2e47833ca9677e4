/**
 * At which address a node tells others to reach it.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { isAny, isLoopback } from "./addresses.ts";
import { localAddressTo } from "./local_address.ts";

const log = getLogger(["orrery", "cluster"]);

/** Milliseconds that a name server has to answer, before the node goes on without its answer. */
const NAME_MS = 2_000;
/**
 * An address of a network for documentation (RFC 5737) to which nobody has a route of its own:
 * the way there is the default route.
 */
const ELSEWHERE = "198.51.100.1";
/** Names of interfaces that lead to virtual machines, containers or a VPN, and seldom to a node. */
const VIRTUAL =
  /^(docker|br-|veth|virbr|vnet|vmnet|vboxnet|vethernet|cni|flannel|cali|podman|lx[cd]|tun|tap|utun|wg|ppp|ipsec|tailscale|zt|nebula)/i;

/** An address of this machine. */
export interface OwnInterface {
  /** Name of the interface. */
  name: string;
  address: string;
  family: "IPv4" | "IPv6";
}

/** What the choice rests on; tests give their own. */
export interface AddressFacts {
  interfaces(): OwnInterface[];
  /** See `localAddressTo`. */
  routeTo(peer: string): string | undefined;
  /** The IP addresses of a name; rejects or gives none where it has none. */
  resolve(name: string): Promise<string[]>;
}

const SYSTEM: AddressFacts = {
  interfaces: () => Deno.networkInterfaces(),
  routeTo: localAddressTo,
  async resolve(name) {
    const late = AbortSignal.timeout(NAME_MS);
    const gaveUp = new Promise<never>((_, reject) => {
      late.addEventListener("abort", () => reject(late.reason));
    });
    return (await Promise.race([lookup(name, { all: true }), gaveUp])).map((a) => a.address);
  },
};

/** An address, and why it was chosen. */
interface Choice {
  host: string;
  why: string;
  /** true: others were as good, so a person should look at it. */
  guessed?: boolean;
}

/** The address that a node which listens on `host` tells to others. */
export class OwnAddress {
  readonly #host: string;
  readonly #facts: AddressFacts;
  #choice?: Choice;

  constructor(host: string, facts: AddressFacts = SYSTEM) {
    this.#host = host;
    this.#facts = facts;
  }

  /**
   * Chooses the address from which packets to another machine leave, where this node listens on all
   * interfaces. `peer`: name or address of a node, or of the registry. Without a route to it, or if
   * it is this machine itself, nothing is chosen.
   */
  async chooseBy(peer: string): Promise<void> {
    if (!isAny(this.#host) || this.#choice) return;
    const found = isIP(peer) ? [peer] : await this.#facts.resolve(peer).catch(() => []);
    for (const address of found) {
      if (isIP(address) === 6 && this.#host === "0.0.0.0") continue; // it listens on IPv4 alone
      const host = this.#facts.routeTo(address);
      if (host === undefined || isLoopback(host) || isAny(host)) continue;
      this.#choice = { host, why: `the route to ${peer} leaves from it` };
      return;
    }
  }

  /**
   * The address: `host` itself, or where that means all interfaces, the one chosen; without a choice
   * that of the default route, unless that leads through a VPN and another interface does not. It is
   * told once in the log.
   */
  get host(): string {
    if (!isAny(this.#host)) return this.#host;
    if (this.#told) return this.#told;
    const { host, why, guessed } = this.#choice ?? this.#guess();
    const others = this.#outward().filter(({ address }) => address !== host)
      .map(({ address, name }) => `${address} (${name})`).join(", ");
    const rest = others === "" ? "" : `; it has ${others} too, and --host ADDRESS names one`;
    log[guessed ? "warn" : "info"](`others are told to reach this node at ${host}: ${why}${rest}`);
    return this.#told = host;
  }
  #told?: string;

  /** The addresses that other machines might reach. */
  #outward(): OwnInterface[] {
    return this.#facts.interfaces().filter(({ address, family }) =>
      family === "IPv4" && !isLoopback(address) && !address.startsWith("169.254.")
    );
  }

  #guess(): Choice {
    const all = this.#outward();
    if (all.length === 0) return { host: "127.0.0.1", why: "this machine has no other address" };
    const real = all.filter(({ name }) => !VIRTUAL.test(name));
    const candidates = real.length > 0 ? real : all;
    const usual = this.#facts.routeTo(ELSEWHERE);
    const byDefault = candidates.find(({ address }) => address === usual);
    if (byDefault) return { host: byDefault.address, why: "the default route leaves from it" };
    const [{ address: host, name }] = candidates;
    return candidates.length === 1
      ? { host, why: `interface ${name} is the only one that looks like a local network` }
      : { host, why: `interface ${name} is the first of several`, guessed: true };
  }
}
