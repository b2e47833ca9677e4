/**
 * Emulates slow devices on one machine by running `edge-emulation.sh` (network namespaces, shaped
 * links, CPU quotas).
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Where the script is unless `--emulation` names another path: beside the repository's folder. */
const USUAL_PLACE = fileURLToPath(
  new URL("../../../../shared/tools/edge-emulation.sh", import.meta.url),
);

/** Counters of a device since it was made. */
export interface DeviceStats {
  rxBytes: number;
  txBytes: number;
  cpuS: number;
}

/** An emulated network of devices 1 .. n. */
export class Emulation implements AsyncDisposable {
  readonly #script: string;
  readonly #env: Record<string, string>;

  private constructor(script: string, periodUs: number) {
    this.#script = script;
    this.#env = { EDGE_NAME: `orrery${Deno.pid % 10000}`, EDGE_PERIOD: String(periodUs) };
  }

  /** Says what the benchmark needs if the script does not exist; undefined: it exists. */
  static async missing(script: string = USUAL_PLACE): Promise<string | undefined> {
    const there = await Deno.stat(script).then((s) => s.isFile, () => false);
    return there
      ? undefined
      : `${script} is not here. This benchmark needs edge-emulation.sh (namespaces, shaped links, CPU quotas; Linux, root, ` +
        "iproute2, util-linux, cgroup v1); name it with --emulation PATH";
  }

  /**
   * Makes devices with links of `mbit` Mbit/s and a processor quota a period of `periodUs`
   * microseconds.
   *
   * Throws an Error that says what is missing: the script, root, or the kernel's means.
   */
  static async up(devices: number, options: {
    mbit: number;
    periodUs: number;
    script?: string;
  }): Promise<Emulation> {
    const { script = USUAL_PLACE, periodUs } = options;
    const missing = await Emulation.missing(script);
    if (missing !== undefined) throw new Error(missing);
    const emulation = new Emulation(script, periodUs);
    await emulation.#run(["up", String(devices), String(options.mbit)]);
    return emulation;
  }

  /** IP address of a device; the first one is device 1. */
  address(device: number): string {
    return `10.77.0.${device}`;
  }

  /** What another program puts before a command to run it on a device, and the environment. */
  prefix(device: number, cores: number): { command: string[]; env: Record<string, string> } {
    const command = ["bash", this.#script, "exec", String(device), String(cores)];
    return { command, env: { ...this.#env } };
  }

  /** Starts a command on a device, which may use so many cores. */
  exec(
    device: number,
    options: { cores: number; command: string[]; stdin?: "null" | "piped" },
  ): Deno.ChildProcess {
    const { command: [program, ...args], env } = this.prefix(device, options.cores);
    return new Deno.Command(program, {
      args: [...args, ...options.command],
      env: { ...env, NO_COLOR: "1" },
      stdin: options.stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /**
   * Starts a command in a device's network but outside its CPU quota: for a client that takes no
   * CPU time from the device.
   */
  beside(device: number, command: string[]): Deno.ChildProcess {
    return new Deno.Command("nsenter", {
      args: [`--net=/run/netns/${this.#env.EDGE_NAME}-d${device}`, "--", ...command],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  }

  /** Changes the rate of every link, in megabits a second, while commands run. */
  async rate(mbit: number): Promise<void> {
    await this.#run(["rate", String(mbit)]);
  }

  /** Takes the limit from a device's link, in both directions, while commands run. */
  async unshape(device: number): Promise<void> {
    const { EDGE_NAME: name } = this.#env;
    for (const [space, link] of [[`${name}-d${device}`, "eth0"], [`${name}-sw`, `p${device}`]]) {
      const args = ["-n", space, "qdisc", "del", "dev", link, "root"];
      const { success, stderr } = await new Deno.Command("tc", { args }).output();
      if (!success) {
        throw new Error(`tc ${args.join(" ")} failed: ${new TextDecoder().decode(stderr).trim()}`);
      }
    }
  }

  /** Counters of devices 1, 2, ... */
  async stats(): Promise<DeviceStats[]> {
    const lines = (await this.#run(["stats"])).trim().split("\n").slice(1);
    return lines.map((line) => {
      const [, rx, tx, cpu] = line.trim().split(/\s+/);
      return { rxBytes: Number(rx), txBytes: Number(tx), cpuS: Number(cpu) };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run(["down"]);
  }

  async #run(args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("bash", {
      args: [this.#script, ...args],
      env: this.#env,
      stdin: "null",
    }).output();
    if (!success) {
      throw new Error(
        `edge-emulation.sh ${args.join(" ")} failed: ${new TextDecoder().decode(stderr).trim()}`,
      );
    }
    return new TextDecoder().decode(stdout);
  }
}
