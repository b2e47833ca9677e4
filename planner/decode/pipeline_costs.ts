/**
 * What one frame of so many rows costs a pipeline, as decode shapes need it.
 *
 * @module
 */
import type { CostModel } from "../cost/mod.ts";
import type { DeviceStage } from "../sequence/mod.ts";

/** Costs of a frame whose rows all want a token. Neither falls when rows grow. */
export interface PipelineCosts {
  /** Seconds from sending a frame until its tokens are back: stages, links and the answer. */
  latency: (rows: number) => number;
  /**
   * Seconds for which a frame occupies the busiest stage or link: no two frames leave closer
   * together.
   */
  bottleneck: (rows: number) => number;
}

/** What {@linkcode pipelineCosts} is made from. */
export interface PipelineCostsInput {
  /** Predicts each part. */
  cost: CostModel;
  /** In pipeline order. */
  stages: DeviceStage[];
  /** Device where frames start and tokens return to. */
  coordinator: number;
  /** Rows behind a frame, e.g. half of the workload's context. */
  past: number;
}

/** Costs of a placement's decode frames. */
export function pipelineCosts(
  { cost, stages, coordinator, past }: PipelineCostsInput,
): PipelineCosts {
  const first = stages[0].device;
  const last = stages[stages.length - 1].device;
  const parts = (rows: number) => {
    const latency: number[] = [
      cost.hopSeconds(coordinator, first, cost.requestBytes(rows)),
      cost.hopSeconds(last, coordinator, cost.answerBytes(rows)),
    ];
    const busy: number[] = [
      cost.transferSeconds(coordinator, first, cost.requestBytes(rows)),
      cost.transferSeconds(last, coordinator, cost.answerBytes(rows)),
    ];
    for (const [i, stage] of stages.entries()) {
      const { device } = stage;
      const seconds = cost.stageSeconds(device, stage, { rows, past, wanted: rows });
      latency.push(seconds);
      busy.push(seconds);
      if (i === 0) continue;
      const from = stages[i - 1].device;
      latency.push(cost.hopSeconds(from, device, cost.hopBytes(rows)));
      busy.push(cost.transferSeconds(from, device, cost.hopBytes(rows)));
    }
    return { latency: latency.reduce((a, b) => a + b, 0), bottleneck: Math.max(...busy) };
  };
  const known = new Map<number, { latency: number; bottleneck: number }>();
  const at = (rows: number) => {
    let found = known.get(rows);
    if (!found) known.set(rows, found = parts(rows));
    return found;
  };
  return { latency: (rows) => at(rows).latency, bottleneck: (rows) => at(rows).bottleneck };
}
