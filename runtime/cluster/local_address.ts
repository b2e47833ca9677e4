/**
 * From which address this machine would send to another one.
 *
 * The operating system's routes decide that. It tells them where a UDP socket is connected: that
 * sends nothing, and gives the socket the local address of the route. Deno's own sockets do not
 * connect before they send, so the C library is called.
 *
 * @module
 */
import { isIP } from "node:net";

/** The libraries with sockets, and the numbers of the address families, by operating system. */
const SYSTEMS: Partial<Record<typeof Deno.build.os, { library: string; inet6: number }>> = {
  linux: { library: "libc.so.6", inet6: 10 },
  darwin: { library: "libSystem.B.dylib", inet6: 30 },
  windows: { library: "ws2_32.dll", inet6: 23 },
};
const AF_INET = 2;
const SOCK_DGRAM = 2;
/** Bytes of `sockaddr_in` and of `sockaddr_in6`. */
const [SIZE_4, SIZE_6] = [16, 28];
/** Where the address lies in each of them. */
const [AT_4, AT_6] = [4, 8];
/** Any port but 0: nothing is sent to it. */
const PORT = 9;

/**
 * The address from which packets to `peer`, an IP address, leave this machine; undefined where no
 * route leads there, or where the system cannot be asked.
 */
export function localAddressTo(peer: string): string | undefined {
  const system = SYSTEMS[Deno.build.os];
  const version = isIP(peer);
  if (!system || version === 0) return undefined;
  const family = version === 4 ? AF_INET : system.inet6;
  const bytes = version === 4 ? bytesOf4(peer) : bytesOf6(peer);
  if (!bytes) return undefined;
  const address = new Uint8Array(version === 4 ? SIZE_4 : SIZE_6);
  // macOS has a byte for the structure's length before a family of one byte.
  if (Deno.build.os === "darwin") address.set([address.length, family]);
  else new DataView(address.buffer).setUint16(0, family, true);
  new DataView(address.buffer).setUint16(2, PORT);
  address.set(bytes, version === 4 ? AT_4 : AT_6);
  return askSystem(system.library, family, address) ? textOf(address, version) : undefined;
}

/** Connects a socket to the address, and puts the socket's own address in its place. */
function askSystem(name: string, family: number, address: Uint8Array<ArrayBuffer>): boolean {
  const library = openSockets(name);
  if (!library) return false;
  const { socket, connect, getsockname, end } = library.symbols;
  try {
    const handle = socket(family, SOCK_DGRAM, 0);
    if (handle < 0) return false;
    try {
      return connect(handle, address, address.length) === 0 &&
        getsockname(handle, address, new Int32Array([address.length])) === 0;
    } finally {
      end(handle);
    }
  } finally {
    library.close();
  }
}

function openSockets(name: string) {
  try {
    return Deno.dlopen(name, {
      socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
      connect: { parameters: ["i32", "buffer", "i32"], result: "i32" },
      getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
      end: {
        name: Deno.build.os === "windows" ? "closesocket" : "close",
        parameters: ["i32"],
        result: "i32",
      },
    });
  } catch {
    return undefined; // the library, or the permission to call it, is not there
  }
}

const bytesOf4 = (text: string): number[] => text.split(".").map(Number);

/** The 16 bytes of an IPv6 address; undefined for one of a zone (`%eth0`), which has no route. */
function bytesOf6(text: string): number[] | undefined {
  if (text.includes("%")) return undefined;
  // The URL parser writes all forms alike: no dots, one "::" at most.
  const plain = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head, tail] = plain.split("::").map((part) => part === "" ? [] : part.split(":"));
  const missing = 8 - head.length - (tail?.length ?? 0);
  const groups = [...head, ...Array(missing).fill("0"), ...(tail ?? [])];
  return groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]);
}

function textOf(address: Uint8Array, version: number): string {
  if (version === 4) return address.subarray(AT_4, AT_4 + 4).join(".");
  const view = new DataView(address.buffer, AT_6, 16);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i).toString(16));
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}
