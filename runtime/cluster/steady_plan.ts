/**
 * Chooses between a new plan and one for the stages that serve already: layers move only where that
 * pays (`move_policy.ts`).
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { type Clock, type Graph, toOrreryError } from "../../actors/mod.ts";
import { annotated, type Plan, type PlanInput, type PlanStage } from "../../planner/mod.ts";
import { MovePolicy } from "./move_policy.ts";
import type { MakePlan } from "./plan_beside.ts";

const log = getLogger(["orrery", "placement"]);

/** Where layers are. */
export type StagePlace = Pick<PlanStage, "host" | "first_layer" | "last_layer">;

/** Options of a {@linkcode SteadyPlan}. */
export interface SteadyPlanOptions {
  clock: Clock;
  makePlan: MakePlan;
  /** Has layers placed anew; `why` says why. */
  replan: (why: string) => void;
}

/** See the module's text. */
export class SteadyPlan {
  readonly #options: SteadyPlanOptions;
  /** The stages of the last plan. */
  #serving?: readonly StagePlace[];
  readonly #moves = new MovePolicy();
  /** Names of the nodes that were ever planned with. */
  readonly #seen = new Set<string>();
  /** Looks again at a move that came too soon after others. */
  #cancelLater?: () => void;

  constructor(options: SteadyPlanOptions) {
    this.#options = options;
  }

  /** These stages serve, planned for these nodes. */
  serves(stages: readonly StagePlace[], devices: readonly string[] = []): void {
    this.#serving = stages;
    for (const node of devices) this.#seen.add(nameOf(node));
  }

  /** Looks at nothing any more. */
  close(): void {
    this.#cancelLater?.();
  }

  /**
   * The plan, or a plan for the stages that serve already, where moving them does not pay now: a move
   * costs a pause, and a small gain may be an error of measurement.
   */
  async choose(
    made: Plan,
    { input, graph, signal }: { input: PlanInput; graph: Graph; signal: AbortSignal },
  ): Promise<Plan> {
    const devices = input.devices.map((d) => d.name);
    const serving = this.#serving;
    const newcomer = devices.some((node) => !this.#seen.has(nameOf(node)));
    for (const node of devices) this.#seen.add(nameOf(node));
    this.#cancelLater?.();
    const keep = (plan: Plan): Plan => {
      this.#serving = plan.stages;
      return plan;
    };
    const here = serving?.every(({ host }) => devices.includes(host));
    if (!serving || !here || layersOf(serving) === layersOf(made.stages)) return keep(made);
    const pin = serving.map(({ host, first_layer, last_layer }) => ({
      host,
      first: first_layer,
      last: last_layer,
    }));
    let same: Plan;
    try {
      const pinned = { ...input, constraints: { ...input.constraints, pin } };
      same = await this.#options.makePlan(pinned, graph, signal);
    } catch (error) {
      signal.throwIfAborted();
      log.info("the stages that serve no longer fit: {why}", { why: toOrreryError(error).message });
      return keep(made);
    }
    const gain = 1 - made.objective_s / same.objective_s;
    const now = this.#options.clock.now();
    const { ttft_s, tpot_s } = made.predicted;
    const { concurrent, outputTokens } = input.workload;
    const verdict = this.#moves.judge({
      gain,
      rebuildS: movedShare(serving, made.stages) * ttft_s * concurrent,
      requestS: ttft_s + outputTokens * tpot_s,
      newcomer,
      now,
    });
    if (verdict.moves) {
      this.#moves.moved(now);
      return keep(made);
    }
    if (gain <= 0) {
      return keep(annotated(same, { stageWhy: "serves already; nothing faster found" }));
    }
    if (verdict.againMs !== undefined) this.#lookAgain(verdict.againMs);
    const percent = (100 * gain).toFixed(1);
    const stageWhy = `serves already; another placement would gain ${percent} % only`;
    const limit = `layers stay where they serve: ${verdict.why}`;
    return keep(annotated(same, { stageWhy, binding: [limit] }));
  }

  /** Has layers placed again after so many milliseconds. */
  #lookAgain(ms: number): void {
    const { clock, replan } = this.#options;
    this.#cancelLater = clock.after(ms, () => replan("layers may move again"));
  }
}

/** What is the same in all lives of a node. */
const nameOf = (node: string): string => node.slice(0, node.lastIndexOf(":"));

/** The stages' nodes and layers as text, to compare placements. */
const layersOf = (stages: readonly StagePlace[]): string =>
  stages.map((s) => `${s.host} ${s.first_layer}-${s.last_layer}`).join();

/**
 * Part of the layers, 0 to 1, that requests take to other nodes with them; 0 where layers are cut
 * elsewhere, since requests end on the placement before then.
 */
function movedShare(before: readonly StagePlace[], after: readonly StagePlace[]): number {
  const layers = (stages: readonly StagePlace[]) =>
    stages.reduce((sum, s) => sum + s.last_layer - s.first_layer + 1, 0);
  const cuts = (stages: readonly StagePlace[]) => stages.map((s) => s.first_layer).join();
  if (cuts(before) !== cuts(after)) return 0;
  return layers(after.filter(({ host }, i) => host !== before[i].host)) / layers(after);
}
