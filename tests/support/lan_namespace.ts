/**
 * A local network without a machine: a network namespace with an interface that has an address, and
 * no route to anything else (Linux).
 *
 * @module
 */
import { holdNamespace } from "./hold_namespace.ts";

/** Address of the only interface besides loopback. */
export const LAN_ADDRESS = "10.77.0.1";

const SETUP = [
  "ip link set lo up",
  "ip link add lan0 type veth peer name lan1", // a carrier needs two ends
  `ip addr add ${LAN_ADDRESS}/24 dev lan0`,
  "ip link set lan0 up",
  "ip link set lan1 up",
  "echo up",
  "exec sleep 600",
].join(" && ");

/** See the module's text. */
export class LanNamespace implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  /** Makes one; undefined: this machine cannot. */
  static async open(): Promise<LanNamespace | undefined> {
    const held = await holdNamespace(SETUP, "null"); // it says `up`, or ends
    if (!held) return undefined;
    const namespace = new LanNamespace(held.holder);
    if (held.said) return namespace;
    await namespace[Symbol.asyncDispose]();
  }

  /** Command line that runs another one there. */
  get within(): string[] {
    const pid = String(this.#holder.pid);
    return ["nsenter", "--target", pid, "--user", "--preserve-credentials", "--net"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#holder.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.#holder.status;
  }
}
