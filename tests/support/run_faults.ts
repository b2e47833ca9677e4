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

/** What fails. */
export type FaultKind = "kill -9" | "frozen" | "cut link" | "full disk";

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
/** Milliseconds after which answers that were under way at a fault must be over. */
const OVER_MS = 100_000;

/** See the module's text. There must be an etcd on the PATH. */
export async function runFaults(
  { seed, faults, machines, say = () => {}, log = () => {} }: FaultRunOptions,
): Promise<FaultReport> {
  const random = seededRandom(seed);
  await using cluster = await FaultCluster.open({ machines });
  const kinds: FaultKind[] = ["kill -9", "frozen"];
  if (cluster.machines) kinds.push("cut link", "full disk");
  else if (machines) say("no network namespaces here: no link is cut and no disk is full");
  const named = async (node: FaultNode) => ({ name: node.name, url: await node.process.url() });
  const expected = new Map<string, string>();
  for (const request of REQUESTS) {
    const { text, error } = await ask(await named(cluster.nodes[0]), request);
    if (error !== undefined || text === "") throw new Error(`undisturbed: ${error ?? "no text"}`);
    expected.set(JSON.stringify(request), text);
  }
  let asked = await Promise.all(cluster.nodes.map(named));
  const load = new FaultLoad(() => asked);
  const outcomes: FaultOutcome[] = [];
  for (let i = 0; i < faults; i++) {
    const kind = kinds[i % kinds.length];
    const role = ROLES[Math.floor(i / kinds.length) % ROLES.length];
    const able = cluster.having(role);
    const node = able[Math.floor(random() * able.length)] ?? cluster.nodes[0];
    // The gateway of a request that goes on must live: the node that fails is asked no more.
    asked = await Promise.all(cluster.nodes.filter((n) => n !== node).map(named));
    await until(() => !load.at.includes(node.name), "its own requests");
    await sleep(200 + random() * 1_500);
    await until(() => load.running.size > 0, "requests under way");
    const hit = [...load.running];
    const at = performance.now();
    await strike(kind, node, { random, over: () => hit.every((a) => a.over) });
    await until(() => hit.every((a) => a.over), "the answers that were under way");
    const pausesMs = hit.filter(({ request }) => request.kind !== "outline")
      .map((answer) => pauseOf(answer, at));
    outcomes.push({ kind, role, node: node.name, answers: hit.length, pausesMs });
    const longest = Math.round(Math.max(0, ...pausesMs));
    say(
      `${i + 1}/${faults} ${kind}, ${role} at ${node.name}: ${hit.length} answers, ${longest} ms`,
    );
    await cluster.whole();
    asked = await Promise.all(cluster.nodes.map(named));
  }
  await load.end();
  for (const { name, process } of cluster.nodes) log(name, process.output);
  const wrong = load.over.flatMap((answer) => problemOf(answer, expected));
  const moved = load.over.filter(({ report }) => report?.pauses).length;
  return { seed, outcomes, answers: load.over.length, moved, wrong, refused: load.refused };
}

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

async function until(over: () => boolean, what: string): Promise<void> {
  const end = performance.now() + OVER_MS;
  while (!over()) {
    if (performance.now() > end) throw new Error(`waited ${OVER_MS} ms for ${what}`);
    await sleep(20);
  }
}
