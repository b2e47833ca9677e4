/**
 * Prints what a node that was started serves, as that changes: one line each time, a note below it,
 * the table of a new plan, and the answer to the question of `--ask`.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { getLogger } from "@logtape/logtape";
import pc from "picocolors";
import { type Deployment, OrreryError } from "../../actors/mod.ts";
import type { Plan } from "../../planner/mod.ts";
import type { Node } from "../node.ts";
import { asCalled } from "./as_called.ts";
import { streamChat } from "./chat_client.ts";
import type { FetchLines } from "./fetch_lines.ts";
import { planTable } from "./plan_table.ts";
import type { StartOptions } from "./start_options.ts";
import { servingLine } from "./start_text.ts";

const log = getLogger(["orrery", "node"]);

/** Groups of errors that say nothing of the model or the machine: links, leases, actors that end. */
const PASSING_GROUPS = ["actor", "mailbox", "registry"];

/** See the module's text; of one life of the node. */
export class ServingPrinter {
  readonly #chosen: StartOptions;
  readonly #fetches: FetchLines;
  readonly #fail: (error: unknown) => void;
  /** What was told before the node's welcome was printed. */
  #waiting: [Deployment | undefined, string][] = [];
  #node?: Node;
  /** The last line about what is served, the last note below it, the last table of a plan. */
  #said = "";
  #noted = "";
  #table = "";
  /** Why the last placement failed; "": none has. */
  #failed = "";
  /** The question of `--ask` was asked. */
  #asked = false;
  /** A deployment has served. */
  #served = false;

  /**
   * `fetches`: lines that end where something serves; `fail` ends the node, where its model can never
   * serve or the question was not answered.
   */
  constructor(
    chosen: StartOptions,
    { fetches, fail }: { fetches: FetchLines; fail: (error: unknown) => void },
  ) {
    this.#chosen = chosen;
    this.#fetches = fetches;
    this.#fail = fail;
  }

  /** The node's welcome was printed: what was told before is printed now. */
  begin(node: Node): void {
    this.#node = node;
    for (const [deployment, reason] of this.#waiting.splice(0)) this.serves(deployment, reason);
  }

  /** This is served now; undefined: nothing is, and `reason` says why. */
  serves(deployment: Deployment | undefined, reason: string): void {
    const node = this.#node;
    if (!node) return void this.#waiting.push([deployment, reason]);
    this.#fetches.end();
    this.#print(node, deployment, reason);
    const { ask, nodes, layers } = this.#chosen;
    if (deployment && ask !== undefined && !this.#asked) {
      this.#asked = true;
      answer(node, ask).catch(this.#fail);
    }
    this.#served ||= deployment !== undefined;
    if (!reason.startsWith("placement failed")) return;
    const waits = nodes > 1 || layers; // for further nodes
    const first = !this.#served && !waits;
    void (first ? nobodyCanMend(node) : Promise.resolve(false)).then((never) => {
      if (never) return this.#fail(placementFailed(reason));
      if (reason !== this.#failed) log.warn("{reason}", { reason });
      this.#failed = reason;
    });
  }

  /** Prints the lines that are other ones than the last. */
  #print(node: Node, deployment: Deployment | undefined, reason: string): void {
    const line = servingLine(node, deployment, reason);
    if (line !== this.#said) console.log(this.#said = line);
    const note = deployment ? reason : "";
    if (note && note !== this.#noted) console.log(`${pc.yellow("note")}     ${asCalled(note)}`);
    this.#noted = note;
    // Only the node that made the plan, the first one, prints its table.
    const table = deployment?.plan && !this.#chosen.join
      ? planTable(deployment.plan as unknown as Plan, node.id)
      : "";
    if (table && table !== this.#table) console.log(this.#table = table);
  }
}

/**
 * Whether a placement that failed can never succeed: the first node of a cluster of which nobody
 * else is known cannot run its model.
 */
async function nobodyCanMend(node: Node): Promise<boolean> {
  try {
    const { failed } = await node.cluster();
    return failed !== undefined && !PASSING_GROUPS.includes(failed.group) && await node.alone();
  } catch {
    return false; // it is asked again when the placement fails again
  }
}

const placementFailed = (message: string): OrreryError =>
  new OrreryError({ group: "cluster", code: "placement_failed", message });

/** Asks the node's own API, as any client would, and prints the answer as it comes. */
async function answer(node: Node, question: string): Promise<void> {
  console.log(`\n${pc.bold(question)}`);
  const pieces = streamChat({
    url: node.url,
    key: node.ownKey,
    messages: [{ role: "user", content: question }],
    signal: new AbortController().signal,
  });
  for await (const { text } of pieces) await Deno.stdout.write(new TextEncoder().encode(text));
  console.log(`\n\nThe node goes on serving; stop it with Ctrl-C.`);
}
