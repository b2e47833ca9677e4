/**
 * A cluster is brought up to date node by node while it answers: four nodes in processes of their
 * own are stopped (SIGTERM) and started again one by one, the first node first. No request fails, and
 * every text is that of a cluster to which nothing happens. It takes minutes:
 * `deno task test:upgrade`. With `-- --from FOLDER` the nodes run the version of that checkout
 * before they are stopped, and this one afterwards.
 */
// deno-lint-ignore-file no-console -- it prints what it measured
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { type EnduredAnswer, endureStream } from "./support/enduring_stream.ts";
import { freePorts } from "./support/free_ports.ts";
import { EVEN, NodeProcess } from "./support/processes.ts";

const NAMES = ["den", "attic", "shed", "barn"];
/** Milliseconds in which all nodes must be members again and answer. */
const WHOLE_MS = 120_000;

const { values: { from } } = parseArgs({ args: Deno.args, options: { from: { type: "string" } } });
/** Folder of the version that the nodes run at first; none: this one. */
const FORMER = from === undefined ? undefined : resolve(from);

const asked = (content: string, more: Record<string, unknown> = {}) => ({
  messages: [{ role: "user", content }],
  temperature: 0,
  max_tokens: 150,
  orrery: { ignore_eos: true },
  ...more,
});

/** What is asked, over and over. */
const REQUESTS = [
  asked("Why does it rain?"),
  // With drafts of the model's, not of earlier answers.
  asked("What is a rainbow?", { orrery: { mode: "speculative", ignore_eos: true, reuse: false } }),
  asked("How do bees make honey?", { temperature: 0.8, seed: 11 }),
  asked("Why is the sky blue?", { max_tokens: 400 }),
];

/** The nodes, each with a folder and ports of its own, which stay when it is started again. */
class Fleet implements AsyncDisposable {
  readonly running = new Map<string, { node: NodeProcess; url: string }>();
  readonly #stack = new AsyncDisposableStack();
  readonly #data: string;
  readonly #ports: number[];
  #joining: string[] = [];

  private constructor(data: string, ports: number[]) {
    this.#data = data;
    this.#ports = ports;
    this.#stack.defer(() => Deno.remove(data, { recursive: true }));
  }

  static async start(): Promise<Fleet> {
    const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
    const fleet = new Fleet(data, await freePorts(2 * NAMES.length));
    await fleet.begin(NAMES[0], FORMER);
    fleet.#joining = await fleet.running.get(NAMES[0])!.node.join();
    await Promise.all(NAMES.slice(1).map((name) => fleet.begin(name, FORMER)));
    return fleet;
  }

  /** Where requests may be sent. */
  get urls(): string[] {
    return [...this.running.values()].map(({ url }) => url);
  }

  /** Starts a node, of the version in that folder where one is named. */
  async begin(name: string, checkout?: string): Promise<void> {
    const i = NAMES.indexOf(name);
    const first = ["--nodes", String(NAMES.length), ...EVEN];
    const node = this.#stack.use(NodeProcess.start([
      ...["--data", join(this.#data, name), "--name", name, "--threads", "1", "--log", "info"],
      ...["--port", String(this.#ports[2 * i]), "--mailbox-port", String(this.#ports[2 * i + 1])],
      ...(i === 0 ? first : this.#joining),
    ], { ports: false, checkout }));
    this.running.set(name, { node, url: await node.url() });
  }

  /** Stops a node as an operator does. Clients find out for themselves. */
  async stop(name: string): Promise<void> {
    const { node } = this.running.get(name)!;
    node.kill("SIGTERM");
    const { code } = await node.status();
    this.running.delete(name);
    assert.equal(code, 0, node.output);
  }

  /** Waits until all nodes are members, and each of them answers. */
  async whole(): Promise<void> {
    const late = performance.now() + WHOLE_MS;
    for (;;) {
      const ready = await Promise.all(this.urls.map(async (url) => {
        const response = await fetch(`${url}/readyz`).catch(() => undefined);
        await response?.body?.cancel();
        return response?.status === 200;
      }));
      const { url } = this.running.get(NAMES[0])!; // the first node lists them
      const { nodes = [] } = await (await fetch(`${url}/api/nodes`)).json();
      const here = nodes.filter(({ state }: { state: string }) => /^(serving|idle)/.test(state));
      if (ready.every(Boolean) && here.length === NAMES.length) return;
      const said = () => [...this.running].map(([name, { node }]) => `${name}:\n${node.output}`);
      assert.ok(performance.now() < late, `${JSON.stringify(nodes)}\n${said().join("\n")}`);
      await sleep(250);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

Deno.test("A cluster that is stopped and started again node by node loses no request and no token", async () => {
  await using fleet = await Fleet.start();
  await fleet.whole();
  const expected = await Promise.all(
    REQUESTS.map(async (body) => (await endureStream(() => fleet.urls, body)).text),
  );
  let over = false;
  const answers: EnduredAnswer[] = [];
  const clients = REQUESTS.map(async (body, i) => {
    for (let turn = i; !over; turn++) {
      // Each request begins at another node, in turn, whether that is about to stop or not.
      const urls = () => fleet.urls.map((_, k, all) => all[(k + turn) % all.length]);
      const answer = await endureStream(urls, body);
      assert.equal(answer.text, expected[i], `request ${i}, turn ${turn}`);
      answers.push(answer);
    }
  });
  const rolling = async () => {
    for (const name of NAMES) {
      const began = performance.now();
      await fleet.stop(name);
      const stopped = performance.now();
      await fleet.begin(name);
      await fleet.whole();
      const seconds = [stopped - began, performance.now() - stopped].map((ms) =>
        (ms / 1000).toFixed(1)
      );
      console.log(`${name} stopped in ${seconds[0]} s, was back in ${seconds[1]} s`);
      await sleep(2_000);
    }
  };
  const ended = Promise.all(clients);
  try {
    await Promise.race([rolling(), ended]); // a client that fails ends it
  } finally {
    over = true;
  }
  await ended;
  const sum = (count: (answer: EnduredAnswer) => number) =>
    answers.reduce((n, answer) => n + count(answer), 0);
  const pauses = answers.map(({ pauseMs }) => pauseMs).sort((a, b) => a - b);
  console.log(
    `${answers.length} answers, 0 failed; ${sum((a) => a.resumed)} gone on with at another node, ` +
      `${sum((a) => a.refused)} sent again before they began; longest pause of an answer: ` +
      `median ${(pauses[pauses.length >> 1] / 1000).toFixed(2)} s, ` +
      `most ${(pauses.at(-1)! / 1000).toFixed(2)} s`,
  );
  assert.ok(answers.length >= 2 * NAMES.length, `${answers.length} answers`);
  assert.ok(sum((a) => a.resumed + a.refused) > 0, "some client asked a node that was stopping");
});
