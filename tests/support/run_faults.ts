/**
 * Fault after fault in a cluster that answers without a pause.
 *
 * @module
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../actors/mod.ts";
import { FaultCluster, type FaultNode, type FaultRole } from "./fault_cluster.ts";
import { ask, type FaultAnswer, FaultLoad, pauseOf, REQUESTS } from "./fault_requests.ts";
import { canStarve, starve } from "./starve.ts";

/** What fails. */
export type FaultKind = "kill -9" | "frozen" | "cut link" | "full disk" | "out of memory";

/** One fault, and what it cost. */
export interface FaultOutcome {
  kind: FaultKind;
  role: FaultRole;
  node: string;
  /** Answers that were under way. */
  answers: number;
  /**
   * Longest pause of each of them that tells each token, milliseconds. (Those by an outline are silent
   * while they write it, without any fault.)
   */
  pausesMs: number[];
}

/** What a run has shown. */
export interface FaultReport {
  seed: number;
  outcomes: FaultOutcome[];
  /** Answers that came in all. */
  answers: number;
  /** Of these, how many stood still and went on elsewhere. */
  moved: number;
  /** Answers that failed, or are another text than the undisturbed one. */
  wrong: string[];
  /** Requests that were refused since nothing served, and sent again. */
  refused: number;
}

/** Options of {@linkcode runFaults}. */
export interface FaultRunOptions {
  /** Which faults come when. */
  seed: number;
  /** How many. */
  faults: number;
  /** Network namespaces and disks of their own, where that can be. */
  machines: boolean;
  /** Called with what is going on. */
  say?: (line: string) => void;
  /** Called with what each node has printed, at the end. */
  log?: (node: string, output: string) => void;
}

const ROLES: readonly FaultRole[] = ["stage", "head", "drafter", "coordinator"];
/** Milliseconds in which a process that gets no more memory asks for some, and is killed. */
const STARVED_MS = 10_000;
/** Milliseconds after which answers that were under way at a fault must be over. */
const OVER_MS = 100_000;

/** See the module's text. There must be an etcd on the PATH. */
export async function runFaults(
  { seed, faults, machines, say = () => {}, log = () => {} }: FaultRunOptions,
): Promise<FaultReport> {
  await using cluster = await FaultCluster.open({ machines });
  const run = await FaultRun.begin(cluster, seed);
  for (const line of run.lacks) say(line);
  try {
    for (let i = 0; i < faults; i++) say(`${i + 1}/${faults} ${await run.fault()}`);
    await run.end();
  } finally {
    for (const { name, process } of cluster.nodes) log(name, process.output);
  }
  return run.report;
}

/** A cluster that is asked without a pause, and its faults. */
export class FaultRun {
  /** Kinds of faults that cannot be made here, and why. */
  readonly lacks: string[] = [];
  readonly #outcomes: FaultOutcome[] = [];
  readonly #kinds: FaultKind[] = ["kill -9", "frozen"];
  readonly #random: () => number;
  readonly #expected = new Map<string, string>();
  readonly #load: FaultLoad;
  /** The nodes that may be asked. */
  #asked: { name: string; url: string }[];
  #faults = 0;

  private constructor(
    readonly cluster: FaultCluster,
    readonly seed: number,
    all: { name: string; url: string }[],
  ) {
    this.#random = seededRandom(seed);
    this.#asked = all;
    this.#load = new FaultLoad(() => this.#asked);
  }

  /** Asks once, undisturbed, what is asked from then on without a pause. */
  static async begin(cluster: FaultCluster, seed: number): Promise<FaultRun> {
    const all = await Promise.all(cluster.nodes.map(named));
    const expected: [string, string][] = [];
    for (const request of REQUESTS) {
      const { text, error } = await ask(all[0], request);
      if (error !== undefined || text === "") throw new Error(`undisturbed: ${error ?? "no text"}`);
      expected.push([JSON.stringify(request), text]);
    }
    const run = new FaultRun(cluster, seed, all);
    for (const [request, text] of expected) run.#expected.set(request, text);
    if (cluster.machines) run.#kinds.push("cut link", "full disk");
    else run.lacks.push("no network namespaces here: no link is cut and no disk is full");
    if (await canStarve()) run.#kinds.push("out of memory");
    else run.lacks.push("no memory control groups here: nothing is killed for want of memory");
    return run;
  }

  /**
   * The next fault, from the time before it until the answers that it met are over and all nodes
   * serve again. Returns what it was, and the longest pause.
   */
  async fault(): Promise<string> {
    const { cluster } = this;
    const [random, load, kinds] = [this.#random, this.#load, this.#kinds];
    const i = this.#faults++;
    const kind = kinds[i % kinds.length];
    // The first faults meet every kind and every role, and later ones every pair of them.
    const role = ROLES[(i % kinds.length + Math.floor(i / kinds.length)) % ROLES.length];
    const able = cluster.having(role);
    const node = able[Math.floor(random() * able.length)] ?? cluster.nodes[0];
    // The gateway of a request that goes on must live: the node that fails is asked no more.
    this.#asked = await Promise.all(cluster.nodes.filter((n) => n !== node).map(named));
    await until(() => !load.at.includes(node.name), "its own requests");
    await sleep(200 + random() * 1_500);
    await until(() => load.running.size > 0, "requests under way");
    const hit = [...load.running];
    const at = performance.now();
    await strike(kind, node, { random, over: () => hit.every((a) => a.over) });
    await until(() => hit.every((a) => a.over), "the answers that were under way", () => late(hit));
    const pausesMs = hit.filter(({ request }) => request.kind !== "outline")
      .map((answer) => pauseOf(answer, at));
    this.#outcomes.push({ kind, role, node: node.name, answers: hit.length, pausesMs });
    await cluster.whole();
    this.#asked = await Promise.all(cluster.nodes.map(named));
    const longest = Math.round(Math.max(0, ...pausesMs));
    return `${kind}, ${role} at ${node.name}: ${hit.length} answers, ${longest} ms`;
  }

  /** Waits for the answers under way, and asks no more. */
  end(): Promise<void> {
    return this.#load.end();
  }

  /** What it has shown so far. */
  get report(): FaultReport {
    const { over, refused } = this.#load;
    return {
      ...{ seed: this.seed, outcomes: this.#outcomes, answers: over.length, refused },
      moved: over.filter(({ report }) => report?.pauses).length,
      wrong: over.flatMap((answer) => problemOf(answer, this.#expected)),
    };
  }
}

const named = async (node: FaultNode) => ({ name: node.name, url: await node.process.url() });

/** Lets something fail, and ends that. A node that died stays dead until the answers are over. */
async function strike(
  kind: FaultKind,
  node: FaultNode,
  { random, over }: { random: () => number; over: () => boolean },
): Promise<void> {
  const forMs = 1_500 + random() * 2_500;
  const { disk, link } = node.machine;
  const filler = join(disk, "filler");
  switch (kind) {
    case "kill -9":
      await node.kill();
      await until(over, "the answers that were under way");
      node.start();
      break;
    case "out of memory": {
      const { process } = node;
      const ended = process.status();
      if (!await starve(process.pid, { ended, withinMs: STARVED_MS })) process.kill("SIGKILL");
      await ended;
      await until(over, "the answers that were under way");
      node.start();
      break;
    }
    case "frozen":
      node.process.kill("SIGSTOP");
      await sleep(forMs);
      node.process.kill("SIGCONT");
      break;
    case "cut link":
      await link!(false);
      await sleep(forMs);
      await link!(true);
      break;
    case "full disk":
      await fill(filler);
      await sleep(forMs);
      await Deno.remove(filler);
      break;
  }
}

/** Writes until the disk is full. */
async function fill(file: string): Promise<void> {
  using open = await Deno.open(file, { create: true, write: true });
  const chunk = new Uint8Array(1 << 20);
  try {
    for (;;) await open.write(chunk);
  } catch {
    // it is full
  }
}

/** What is wrong with an answer. */
function problemOf(answer: FaultAnswer, expected: ReadonlyMap<string, string>): string[] {
  const { request, node, error, text } = answer;
  const which = `${request.kind} at ${node}`;
  if (error !== undefined) return [`${which}: ${error}`];
  const whole = expected.get(JSON.stringify(request))!;
  if (text === whole) return [];
  const same = [...whole].findIndex((c, i) => c !== text[i]);
  return [
    `${which}: another text from character ${same} of ${whole.length} on: ` +
    `${JSON.stringify(text.slice(same, same + 60))}, not ` +
    JSON.stringify(whole.slice(same, same + 60)),
  ];
}

/** How far answers are that are not over. */
const late = (answers: readonly FaultAnswer[]): string =>
  answers.filter(({ over }) => !over).map(({ request, node, text, at }) => {
    const silentMs = Math.round(performance.now() - at.at(-1)!);
    return `: ${request.kind} at ${node}, ${text.length} characters, silent for ${silentMs} ms`;
  }).join("");

async function until(over: () => boolean, what: string, more = () => ""): Promise<void> {
  const end = performance.now() + OVER_MS;
  while (!over()) {
    if (performance.now() > end) throw new Error(`waited ${OVER_MS} ms for ${what}${more()}`);
    await sleep(20);
  }
}
