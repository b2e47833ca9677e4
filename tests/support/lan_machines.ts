/**
 * Machines on a local network, without machines: network namespaces whose interfaces are ports of one
 * bridge. From none of them a route leads to anything else (Linux).
 *
 * @module
 */
import { holdNamespace } from "./hold_namespace.ts";

/** A machine of {@linkcode LanMachines}. */
export interface LanMachine {
  /** Address of its only interface besides loopback. */
  address: string;
  /** Command line that runs another one there. */
  within: string[];
}

/**
 * Each namespace lives as long as a process that reads this program's pipe, so nothing stays behind
 * however the program ends. Prints the processes' ids.
 */
const setup = (count: number): string => `
  exec 3<&0
  ip link set lo up && ip link add br0 type bridge && ip link set br0 up || exit 1
  for i in $(seq ${count}); do
    unshare --net cat <&3 >/dev/null &
    pid=$!
    while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do
      kill -0 $pid 2>/dev/null || exit 1
      sleep 0.01
    done
    ip link add port$i type veth peer name lan0 netns $pid || exit 1
    ip link set port$i master br0 up || exit 1
    nsenter --target $pid --net sh -c "ip link set lo up && ip link set lan0 up && \\
      ip addr add 10.77.0.$i/24 dev lan0" || exit 1
    pids="$pids $pid"
  done
  echo $pids
  exec cat <&3 >/dev/null`;

/** See the module's text. */
export class LanMachines implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;
  readonly machines: LanMachine[];

  private constructor(holder: Deno.ChildProcess, pids: string[]) {
    this.#holder = holder;
    this.machines = pids.map((pid, i) => ({
      address: `10.77.0.${i + 1}`,
      within: ["nsenter", "--target", pid, "--user", "--preserve-credentials", "--net"],
    }));
  }

  /** Makes so many machines; undefined: this machine cannot. */
  static async open(count: number): Promise<LanMachines | undefined> {
    const held = await holdNamespace(setup(count), "piped");
    if (!held) return undefined;
    const lan = new LanMachines(held.holder, held.said.trim().split(" "));
    if (held.said) return lan;
    await lan[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.stdin.close().catch(() => {}); // it has ended
    await this.#holder.status;
  }
}
