/**
 * Machines whose links can be cut and whose disks can be full: network namespaces on one bridge, and
 * small file systems in memory. This program, on the bridge too, is never cut off. Needs root (Linux).
 *
 * @module
 */
import { join } from "node:path";

/** One machine. */
export interface FaultMachine {
  /** Its address on the bridge. */
  address: string;
  /** Command line that runs another one there. */
  within: string[];
  /** Folder of a file system of its own. */
  disk: string;
  /** Cuts its only link, or mends it. */
  link(up: boolean): Promise<void>;
}

/** Bytes of a machine's disk. */
const DISK_BYTES = 96 * 1024 * 1024;

/** See the module's text. */
export class FaultMachines implements AsyncDisposable {
  readonly machines: FaultMachine[] = [];
  /** Address of this program on the bridge. */
  readonly host: string;
  readonly #stack = new AsyncDisposableStack();
  readonly #bridge = `orf${Deno.pid % 100_000}`;
  readonly #subnet = `10.${100 + Deno.pid % 100}.${Math.floor(Deno.pid / 100) % 250}`;

  private constructor(readonly folder: string) {
    this.host = `${this.#subnet}.254`;
  }

  /** Makes so many machines; undefined: whoever runs this may not. `folder`: where disks appear. */
  static async open(count: number, folder: string): Promise<FaultMachines | undefined> {
    if (Deno.build.os !== "linux" || Deno.uid() !== 0) return undefined;
    const all = new FaultMachines(folder);
    try {
      await all.#make(count);
      return all;
    } catch {
      await all[Symbol.asyncDispose]();
      return undefined;
    }
  }

  async #make(count: number): Promise<void> {
    const bridge = this.#bridge;
    await run("ip", "link", "add", bridge, "type", "bridge");
    this.#stack.defer(() => run("ip", "link", "del", bridge));
    await run("ip", "addr", "add", `${this.host}/24`, "dev", bridge);
    await run("ip", "link", "set", bridge, "up");
    for (let i = 0; i < count; i++) {
      const [name, port, inner] = [`${bridge}n${i}`, `${bridge}p${i}`, `${bridge}i${i}`];
      const address = `${this.#subnet}.${i + 1}`;
      await run("ip", "netns", "add", name);
      this.#stack.defer(() => run("ip", "netns", "del", name));
      await run("ip", "link", "add", port, "type", "veth", "peer", "name", inner, "netns", name);
      await run("ip", "link", "set", port, "master", bridge);
      await run("ip", "link", "set", port, "up");
      await run("ip", "-n", name, "addr", "add", `${address}/24`, "dev", inner);
      await run("ip", "-n", name, "link", "set", inner, "up");
      await run("ip", "-n", name, "link", "set", "lo", "up");
      const disk = join(this.folder, `disk${i}`);
      await Deno.mkdir(disk);
      await run("mount", "-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", disk);
      this.#stack.defer(() => run("umount", "-l", disk));
      this.machines.push({
        address,
        disk,
        within: ["ip", "netns", "exec", name],
        link: (up) => run("ip", "link", "set", port, up ? "up" : "down"),
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync().catch(() => {}); // what was not made cannot be removed
  }
}

/** Runs a command. Throws with what it said. */
async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(command, { args, stdout: "null" }).output();
  if (code === 0) return;
  throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
