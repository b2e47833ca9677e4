/**
 * One node with one stage, in a process of its own, for `deno task bench:frame`. It is told what to
 * do by JSON lines on its standard input and answers each with a line on its standard output.
 *
 * @module
 */
import type { Geometry } from "../../../models/mod.ts";
import type { StageGraph } from "../../../models/graph/mod.ts";
import type { Profile } from "./attribution.ts";
import { probeOf } from "./probe.ts";
import { Recording } from "./recording.ts";
import { type ThreadTimes, threadTimes } from "./thread_times.ts";

/** What the process is started with, as JSON in its first argument. */
export interface StageAssignment {
  /** URL of the checkout whose code is measured, with a slash at the end. */
  root: string;
  /** Index of the stage, 0 for the first; its node is named `s` and this number. */
  index: number;
  /** The stage, and the geometry of the whole model. */
  graph: StageGraph;
  geometry: Geometry;
}

/** A line to the process. */
export type StageOrder =
  | { do: "meet"; peers: { node: string; host: string; port: number }[] }
  | { do: "begin"; profile: boolean }
  | { do: "end" };

/** What a stage's process measured between `begin` and `end`. */
export interface StageFigures {
  /** Processor time of each kind of thread, milliseconds. */
  threads: ThreadTimes;
  /** Processor time in ONNX Runtime's `Run`, milliseconds. */
  computeMs: number;
  /**
   * Profiles of the node's thread and, in a checkout that has one, of the engine's worker; where
   * they were asked for.
   */
  profiles?: { node: Profile; engine?: Profile };
}

async function main({ root, index, graph, geometry }: StageAssignment): Promise<void> {
  const of = <T>(path: string) => import(new URL(path, root).href) as Promise<T>;
  const { ActorSystem, directoryOf, systemClock } = await of<
    typeof import("../../../actors/system/mod.ts")
  >("actors/system/mod.ts");
  const { stageActor } = await of<typeof import("../../../actors/pipeline/mod.ts")>(
    "actors/pipeline/mod.ts",
  );
  const { createMailbox } = await of<typeof import("../../../runtime/mailbox/mod.ts")>(
    "runtime/mailbox/mod.ts",
  );
  const { loadEngine } = await of<typeof import("../../../runtime/engine/mod.ts")>(
    "runtime/engine/mod.ts",
  );
  const probe = await probeOf(root);
  const engine = await loadEngine({ graph, geometry, threads: 1, arenaBudgetBytes: 2 ** 29 });

  const node = `s${index}`;
  const mailbox = await createMailbox({ node, accept: () => true });
  const system = new ActorSystem({
    transport: mailbox,
    directory: directoryOf(nodeOf),
    clock: systemClock,
    random: Math.random,
  });
  system.register(stageActor, {
    config: { leaseMs: 300_000, frameDeadlineMs: 120_000 },
    resources: () => ({ engine: () => Promise.resolve(engine) }),
  });
  say({ port: mailbox.port });

  let recording: Recording | undefined;
  let before = threadTimes();
  for await (const order of lines()) {
    switch (order.do) {
      case "meet":
        for (const peer of order.peers) {
          if (peer.node !== node) mailbox.addPeer(peer.node, peer.host, peer.port);
        }
        say({});
        break;
      case "begin":
        recording = order.profile ? new Recording() : undefined;
        await probe.begin(order.profile);
        await recording?.start();
        before = threadTimes();
        say({});
        break;
      case "end": {
        const after = threadTimes();
        const profile = await recording?.stop();
        const { computeMs, profile: engineProfile } = await probe.end();
        const figures: StageFigures = {
          threads: {
            node: after.node - before.node,
            others: after.others - before.others,
          },
          computeMs,
          ...(profile && { profiles: { node: profile, engine: engineProfile } }),
        };
        say(figures);
        break;
      }
    }
  }
  Deno.exit(0);
}

/** Node of an address: `stage/1` is at `s1`, everything else at the driver. */
export function nodeOf(address: string): string {
  const [, kind, key] = address.split("/");
  return kind === "stage" ? `s${key}` : "driver";
}

// deno-lint-ignore no-console
const say = (answer: object) => console.log(JSON.stringify(answer));

async function* lines(): AsyncGenerator<StageOrder> {
  let text = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) {
      yield JSON.parse(text.slice(0, end));
    }
  }
}

if (import.meta.main) await main(JSON.parse(await Deno.readTextFile(Deno.args[0])));
