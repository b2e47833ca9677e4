/**
 * Nodes whose pages are looked at.
 *
 * @module
 */
import { EVEN, NodeProcess } from "../support/processes.ts";

/** A node or some, until it is disposed of. */
export class World implements AsyncDisposable {
  readonly nodes: NodeProcess[] = [];
  url = "";
  readonly #stack = new AsyncDisposableStack();

  private constructor(readonly folder: string) {}

  static async #make(): Promise<World> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-page-" });
    const world = new World(folder);
    world.#stack.defer(() => Deno.remove(folder, { recursive: true }));
    return world;
  }

  #start(name: string, ...args: string[]): NodeProcess {
    const node = NodeProcess.start([
      ...["--data", `${this.folder}/${name}`, "--name", name, "--no-discovery"],
      ...args,
    ]);
    this.nodes.push(this.#stack.use(node));
    return node;
  }

  /** Three nodes with two layers each. */
  static async three(): Promise<World> {
    const world = await World.#make();
    const first = world.#start("den", ...EVEN, "--nodes", "3");
    const join = await first.join();
    world.#start("attic", ...join);
    world.#start("shed", ...join);
    world.url = await first.ready(3);
    return world;
  }

  /** One node, which measures itself and so has a plan. */
  static async one(...args: string[]): Promise<World> {
    const world = await World.#make();
    world.url = await world.#start("den", ...args).ready(1);
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
