/**
 * A cluster outlives the node that coordinates it: with a registry that several nodes open another
 * one takes over, with the embedded one the others serve on, and nobody starts them anew.
 *
 * The coordinator computes nothing here, as the graph says: what serves does not depend on it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { askAll, assertSame } from "./support/compare_answers.ts";
import { ETCD, EtcdCluster } from "./support/etcd_server.ts";
import { freePorts } from "./support/free_ports.ts";
import { NodeProcess } from "./support/processes.ts";
import { PROMPTS } from "./support/prompts.ts";

const prompts = PROMPTS.slice(0, 1);
/** The node with this name coordinates first, and has no layers. */
const FIRST = "a";

/** Nodes over one folder, so that the model and their profiles are there for all. */
class Nodes implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();

  private constructor(readonly data: string, readonly graph: string) {}

  static async open(): Promise<Nodes> {
    const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
    const graph = join(data, "graph.yaml");
    const text =
      `{ model: embedded, actors: { drafter: none }, constraints: { exclude: [${FIRST}] } }`;
    await Deno.writeTextFile(graph, text);
    const nodes = new Nodes(data, graph);
    nodes.#stack.defer(() => Deno.remove(data, { recursive: true }));
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
async function stream(url: string): Promise<{ done: Promise<string> }> {
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
const loads = ({ output }: NodeProcess) => output.split("loads layers").length - 1;

/** Names in the rows of `deno task nodes`, once three of them are members. */
const threeMembers = (nodes: NodeProcess[]): Promise<string[]> =>
  until("three members", async () => {
    // A busy machine may have made another one the coordinator meanwhile.
    const url = await (await coordinator(nodes)).url();
    const { nodes: rows = [] } = await (await fetch(`${url}/api/nodes`)).json();
    const here = rows.filter(({ state }: { state: string }) => ["serving", "idle"].includes(state));
    return here.length === 3 && rows.map(({ name }: { name: string }) => name).sort();
  });

async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const end = performance.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (performance.now() > end) assert.fail(`waited 60 s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The coordinator among these nodes: the one with the latest term. */
const coordinator = (nodes: NodeProcess[]): Promise<NodeProcess> =>
  until("a coordinator", () => {
    const term = ({ output }: NodeProcess) => {
      const terms = [...output.matchAll(/this node coordinates, term (\d+)/g)];
      return Number(terms.at(-1)?.[1] ?? 0);
    };
    const [last] = [...nodes].sort((x, y) => term(y) - term(x));
    return Promise.resolve(term(last) > 0 && last);
  });

Deno.test("deno task start: members of a cluster serve on while the first node is away", async (t) => {
  await using nodes = await Nodes.open();
  const ports = await freePorts(2);
  let a = nodes.server(FIRST, ["--nodes", "3"], ports);
  const joining = await a.join();
  const [b, c] = ["b", "c"].map((name) => nodes.start(name, joining));
  for (const node of [a, b, c]) await node.ready(1);
  const urls = [await b.url(), await c.url()];
  const expected = await askAll(urls[0], prompts);

  await t.step("it is killed: streams and new prompts are answered", async () => {
    const streams = await Promise.all(urls.map(stream));
    a.kill("SIGKILL");
    for (const url of urls) {
      assertSame(await askAll(url, prompts), expected, "without a first node");
    }
    for (const { done } of streams) assert.equal(await done, "data: [DONE]");
  });
  await t.step("they say that the cluster cannot change, and what to do", async () => {
    for (const node of [b, c]) {
      await node.line(/^note +the coordinator a:\S+ .* cannot change: .*deno task nodes promote/);
    }
    const ready = await fetch(`${urls[0]}/readyz`);
    assert.equal(ready.status, 200);
    assert.match((await ready.json()).note, /cannot change/);
    const copies = [...Deno.readDirSync(join(nodes.data, "registry", "copies"))];
    assert.equal(copies.length, 2);
    const copy = await Deno.readTextFile(join(nodes.data, "registry", "copies", copies[0].name));
    assert.match(copy, /"graphs\/main"/);
    assert.doesNotMatch(copy, /trust\/(authority|tokens)/);
  });
  await t.step("it comes back, and has them and what they serve", async () => {
    const said = [b, c].map(({ output }) => output.length);
    a = nodes.server(FIRST, ["--nodes", "3"], ports);
    await a.ready(1);
    assert.deepEqual(await threeMembers([a]), ["a", "b", "c"], "a is one row");
    assertSame(await askAll(await a.url(), prompts), expected, "at the first node");
    assert.doesNotMatch(a.output, /placement failed/);
    // A plan that moves layers may follow, since a node has joined: it takes over beside what serves.
    [b, c].forEach((node, i) => assert.doesNotMatch(node.output.slice(said[i]), /^not ready/m));
  });
});

const why = ETCD ? "" : " (skipped: there is no etcd on the PATH)";

Deno.test({
  name:
    `deno task start --registry etcd:// goes on when the coordinator is killed or stopped${why}`,
  ignore: ETCD === undefined,
}, async (t) => {
  await using etcd = await EtcdCluster.start(1);
  await using nodes = await Nodes.open();
  const registry = ["--registry", etcd.url(), "--nodes", "3"];
  let a = nodes.server(FIRST, registry);
  await a.line(/this node coordinates, term 1/);
  const [b, c] = ["b", "c"].map((name) => nodes.server(name, registry));
  for (const node of [a, b, c]) await node.ready(1);
  const urls = [await b.url(), await c.url()];
  const expected = await askAll(urls[0], prompts);
  const loaded = [b, c].map(loads);

  await t.step("killed: another coordinates, and nothing else changes", async () => {
    const streams = await Promise.all(urls.map(stream));
    a.kill("SIGKILL");
    await coordinator([b, c]);
    for (const url of urls) assertSame(await askAll(url, prompts), expected, "after a takeover");
    for (const { done } of streams) assert.equal(await done, "data: [DONE]");
    assert.deepEqual([b, c].map(loads), loaded, "nothing was loaded anew");
  });
  await t.step("the killed one comes back and is one row", async () => {
    a = nodes.server(FIRST, registry);
    await a.ready(1);
    assert.deepEqual(await threeMembers([a, b, c]), ["a", "b", "c"]);
    assertSame(await askAll(await a.url(), prompts), expected, "at the node that came back");
  });
  await t.step("stopped: its layers and its task go to others", async () => {
    const first = await coordinator([a, b, c]);
    const others = [a, b, c].filter((node) => node !== first);
    first.kill("SIGTERM");
    assert.equal((await first.status()).code, 0, first.output);
    await coordinator(others);
    for (const node of others) {
      // Where its layers had not gone to the others in time, they are placed anew.
      const url = await node.url();
      await until("an answer", async () => (await fetch(`${url}/readyz`)).status === 200);
      assertSame(await askAll(await node.url(), prompts), expected, "after a stop");
    }
  });
});
