/**
 * Multicast DNS on the interfaces of this machine, as `bonjour-service` speaks it.
 *
 * Each IPv4 interface has a socket of its own: one socket would send on the interface of the
 * default route alone, and on none where there is no such route.
 *
 * @module
 */
import type { EventEmitter } from "node:events";
import { getLogger } from "@logtape/logtape";
import type { Bonjour } from "bonjour-service";
import { type ClusterAdvert, type FoundCluster, readAdvert, txtOf } from "./advert.ts";

const log = getLogger(["orrery", "discovery"]);

/** Name of the service: `_orrery._tcp.local`. */
const TYPE = "orrery";
/** At most so many interfaces are used: a machine with containers may have hundreds. */
const INTERFACES = 16;
/** Milliseconds after which a browser asks again, since a Wi-Fi network loses datagrams. */
const ASK_AGAIN_MS = [500, 1_500, 3_000];
/** Milliseconds that the farewell may take. */
const FAREWELL_MS = 500;

/** An announcement or a search that is under way. */
export type Announced = AsyncDisposable;

/** What finds nodes on the local network; tests have one in memory. */
export interface Lan {
  /** Says until disposal that there is this cluster. */
  announce(advert: ClusterAdvert): Promise<Announced>;
  /** Asks who is there, and calls `onFound` for every answer until disposal. */
  browse(onFound: (cluster: FoundCluster) => void): Promise<Announced>;
}

/** Options of a {@linkcode MulticastLan}. */
export interface MulticastOptions {
  /** IPv4 addresses of the interfaces to use. @default all that are no loopback ones */
  interfaces?: string[];
}

/** See the module's text. */
export class MulticastLan implements Lan {
  readonly #interfaces: string[];

  constructor({ interfaces = outwardAddresses() }: MulticastOptions = {}) {
    this.#interfaces = interfaces.slice(0, INTERFACES);
  }

  async announce(advert: ClusterAdvert): Promise<Announced> {
    const { authority, port } = advert;
    // The first node of another cluster may have the same name.
    const instance = `${advert.name.slice(0, 40)}-${authority.slice(0, 8)}`.replaceAll(".", "-");
    return await this.#open((bonjour) => {
      bonjour.publish({
        name: instance,
        type: TYPE,
        port,
        host: `orrery-${authority.slice(0, 16)}.local`,
        txt: txtOf(advert),
        disableIPv6: true,
        probe: false, // the sockets of the other interfaces would answer that the name is taken
      });
    });
  }

  async browse(onFound: (cluster: FoundCluster) => void): Promise<Announced> {
    const timers: ReturnType<typeof setTimeout>[] = [];
    const opened = await this.#open((bonjour) => {
      const found = (service: unknown) => {
        const cluster = readAdvert(service);
        if (cluster) onFound(cluster);
        else log.debug("something else than a cluster answers as one");
      };
      const browser = bonjour.find({ type: TYPE }, found);
      // Two machines may announce one cluster, such as one that was moved.
      browser.on("srv-update", found);
      browser.on("txt-update", found);
      for (const ms of ASK_AGAIN_MS) timers.push(setTimeout(() => browser.update(), ms));
    });
    return {
      async [Symbol.asyncDispose]() {
        for (const timer of timers) clearTimeout(timer);
        await opened[Symbol.asyncDispose]();
      },
    };
  }

  async #open(use: (bonjour: Bonjour) => void): Promise<Announced> {
    const { Bonjour } = await import("bonjour-service"); // nodes without discovery do without it
    const opened = this.#interfaces.map((address) => {
      const bonjour = new Bonjour(
        // Bound to the interface's own address, a socket would get no multicasts on Linux.
        { interface: address, bind: "0.0.0.0" } as object,
        (error: Error) => log.debug("multicast DNS at {address}: {error}", { address, error }),
      );
      // Without a listener a port 5353 that somebody else holds would end the process.
      const { mdns } = (bonjour as unknown as { server: { mdns: EventEmitter } }).server;
      mdns.on(
        "error",
        ({ message }: Error) =>
          log.warn("multicast DNS at {address} does not work: {message}", { address, message }),
      );
      mdns.on(
        "warning",
        ({ message }: Error) =>
          log.debug("multicast DNS at {address}: {message}", { address, message }),
      );
      use(bonjour);
      return bonjour;
    });
    return {
      async [Symbol.asyncDispose]() {
        await Promise.all(opened.map(farewell));
      },
    };
  }
}

/** Tells others that the services end, and closes the socket. */
async function farewell(bonjour: Bonjour): Promise<void> {
  const told = Promise.withResolvers<void>();
  const timer = setTimeout(told.resolve, FAREWELL_MS);
  bonjour.unpublishAll(() => told.resolve());
  await told.promise;
  clearTimeout(timer);
  const closed = Promise.withResolvers<void>();
  bonjour.destroy(() => closed.resolve());
  await closed.promise;
}

/** The first IPv4 address of each interface that is no loopback one. */
function outwardAddresses(): string[] {
  const byInterface = Map.groupBy(
    Deno.networkInterfaces().filter(({ family, address }) =>
      family === "IPv4" && !address.startsWith("127.")
    ),
    ({ name }) => name,
  );
  return [...byInterface.values()].map(([{ address }]) => address);
}
