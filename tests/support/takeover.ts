/**
 * Clusters whose coordinator computes nothing, as their graph says: what serves does not depend on
 * it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeProfiles } from "./known_profiles.ts";
import { NodeProcess } from "./processes.ts";
import { PROMPTS } from "./prompts.ts";

/** What the nodes are asked. */
export const prompts = PROMPTS.slice(0, 1);
/** The node with this name coordinates first, and has no layers. */
export const FIRST = "a";

/** Nodes over one folder, so that the model and their profiles are there for all. */
export class TakeoverNodes implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();

  private constructor(readonly data: string, readonly graph: string) {}

  static async open(): Promise<TakeoverNodes> {
    const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
    const graph = join(data, "graph.yaml");
    const text =
      `{ model: embedded, actors: { drafter: none }, constraints: { exclude: [${FIRST}] } }`;
    await Deno.writeTextFile(graph, text);
    const nodes = new TakeoverNodes(data, graph);
    nodes.#stack.defer(() => Deno.remove(data, { recursive: true }));
    await writeProfiles([data], { threads: 1 });
    return nodes;
  }

  /** Starts a node that joins nobody. */
  server(name: string, args: string[], ports?: number[]): NodeProcess {
    return this.start(name, ["--graph", this.graph, ...args], ports);
  }

  start(name: string, args: string[], ports?: number[]): NodeProcess {
    const own = ["--data", this.data, "--name", name, "--threads", "1", "--log", "info"];
    const where = ports ? ["--port", `${ports[0]}`, "--mailbox-port", `${ports[1]}`] : [];
    return this.#stack.use(NodeProcess.start([...own, ...where, ...args], { ports: !ports }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A long answer that has begun at this node; resolves to its last line. */
export async function stream(url: string): Promise<{ done: Promise<string> }> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: "Why does it rain?" }],
      stream: true,
      max_tokens: 120,
      logit_bias: { "0": -100, "1": -100, "2": -100 },
    }),
  });
  assert.equal(response.status, 200);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  const rest = async () => {
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text.trim().split("\n").at(-1)!;
      text += value;
    }
  };
  return { done: rest() };
}

/** How often this node has loaded layers so far. */
export const loads = ({ output }: NodeProcess) => output.split("loads layers").length - 1;

/** Names in the rows of `deno task nodes`, once three of them are members. */
export const threeMembers = (nodes: NodeProcess[]): Promise<string[]> =>
  until("three members", async () => {
    // A busy machine may have made another one the coordinator meanwhile.
    const url = await (await coordinator(nodes)).url();
    const { nodes: rows = [] } = await (await fetch(`${url}/api/nodes`)).json();
    const here = rows.filter(({ state }: { state: string }) => ["serving", "idle"].includes(state));
    return here.length === 3 && rows.map(({ name }: { name: string }) => name).sort();
  });

/** What `look` finds, once it finds something. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) assert.fail(`waited 60 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The coordinator among these nodes: the one with the latest term. */
export const coordinator = (nodes: NodeProcess[]): Promise<NodeProcess> =>
  until("a coordinator", () => {
    const term = ({ output }: NodeProcess) => {
      const terms = [...output.matchAll(/this node coordinates, term (\d+)/g)];
      return Number(terms.at(-1)?.[1] ?? 0);
    };
    const [last] = [...nodes].sort((x, y) => term(y) - term(x));
    return Promise.resolve(term(last) > 0 && last);
  });
