/**
 * Processor time of journalled tokens: two journals in one process, of which one runs requests and
 * the other keeps the copies. Processor time is the same on a busy machine, or nearly.
 *
 * @module
 */
import process from "node:process";
import {
  ActorSystem,
  directoryOf,
  journalActor,
  journalAddress,
  LocalNetwork,
  nodeKey,
  RequestJournal,
  systemClock,
} from "../../../actors/mod.ts";
import { decodeEvent, encodeEvent } from "../../../runtime/api/journal/records.ts";
import { memoryRegistry } from "../../support/memory_registry.ts";

/** Requests that run at the same time, and tokens of each. */
const REQUESTS = 8;
const TOKENS = 4_000;
/** Tokens that a request has at once: the others come when timers and messages have had their turn. */
const BURST = 4;

/** Milliseconds of processor time that this process has taken. */
function spentMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** The record of a token. */
const recordOf = (i: number): string =>
  encodeEvent({
    index: 0,
    event: {
      type: "delta",
      text: " word",
      tokens: [{ token: i, text: " word" }],
      progress: { outline: false, lanes: [{ lane: "plain", at: i, tokens: [i], told: i + 1 }] },
    },
  });

const turn = () => new Promise<void>((resolve) => void setTimeout(resolve, 1));

/** Records, one a token, a few at a time. */
async function* records(make: (i: number) => string): AsyncGenerator<string, void> {
  for (let i = 0; i < TOKENS; i++) {
    yield make(i);
    if (i % BURST === 0) await turn();
  }
}

/** Microseconds of processor time that a journalled token takes, of both nodes together. */
export async function recordMicroseconds(): Promise<number> {
  const registry = memoryRegistry();
  const network = new LocalNetwork();
  const start = (node: string, other: string) => {
    const system = new ActorSystem({
      transport: network.connect(node),
      directory: directoryOf((to) => nodeKey(to)?.node ?? node),
      ...{ clock: systemClock, random: Math.random },
    });
    const journal: RequestJournal = new RequestJournal({
      ...{ node, clock: systemClock, random: Math.random },
      registry: () => registry,
      peers: () => [other],
      append: (holder, message, { deadlineMs }) =>
        system.at(journalActor, journalAddress(holder)).append(message, { deadlineMs }),
      runner: () => records(recordOf),
    });
    system.register(journalActor, { config: {}, resources: () => ({ journal }) });
    return { journal, system };
  };
  const nodes = [start("a", "b"), start("b", "a")];
  const [{ journal }] = nodes;
  journal.members();
  while (!journal.holder) await turn();
  let asked = 0;
  const { signal } = new AbortController();
  const journalled = async () => {
    const id = (++asked).toString(16).padStart(32, "0");
    const entry = journal.begin({ id, request: "{}", owner: "", keep_ms: 0 });
    for await (const record of journal.read(entry, 0, signal)) decodeEvent(record);
  };
  const plain = async () => {
    for await (const _record of records(() => "")) {
      // They cost what the timers cost.
    }
  };
  const cost = async (run: () => Promise<void>) => {
    const before = spentMs();
    await Promise.all(Array.from({ length: REQUESTS }, run));
    return 1_000 * (spentMs() - before) / (REQUESTS * TOKENS);
  };
  await cost(journalled); // code is compiled
  const microseconds = await cost(journalled) - await cost(plain);
  for (const node of nodes) {
    node.journal.close();
    await node.system.close({ deadlineMs: 1_000 });
  }
  await registry.close();
  return microseconds;
}
