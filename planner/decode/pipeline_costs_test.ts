import assert from "node:assert/strict";
import { CostModel, describedDevice } from "../cost/mod.ts";
import { pipelineCosts } from "./mod.ts";

Deno.test("pipelineCosts() counts every stage, every hop, the request and the answer", () => {
  const model = {
    name: "m",
    layers: 4,
    hidden: 1000,
    vocab: 100,
    context: 512,
    layerBytes: [1, 1, 1, 1],
    embedBytes: 1,
    headBytes: 1,
    tied: false,
    kvBytesPerRow: 1,
    macsPerRow: 1e6,
    macsPerPastRow: 0,
  };
  const device = (name: string, seconds: number) =>
    describedDevice({
      name,
      memory_bytes: 1e9,
      layer_seconds: { 1: seconds, 2: 2 * seconds },
      embed_seconds: { 1: 0 },
      head_seconds: { 1: 0.5, 2: 1 },
      frame_seconds: 0.25,
    }, model);
  const bandwidth = 1e4; // bytes a second of every link
  const links = {
    seconds: [[0, 3, 3], [3, 0, 3], [3, 3, 0]],
    bytesPerS: [[Infinity, bandwidth, bandwidth], [bandwidth, Infinity, bandwidth], [
      bandwidth,
      bandwidth,
      Infinity,
    ]],
  };
  const cost = new CostModel({
    model,
    devices: [device("a", 1), device("b", 2), device("c", 9)],
    links,
    wire: "f16",
  });
  const stages = [{ device: 0, first: 0, last: 2 }, { device: 1, first: 3, last: 3 }];
  const near = pipelineCosts({ cost, stages, coordinator: 0, past: 0 });
  const computing = 0.25 + 3 * 2 + 0.25 + 2 * 2 + 1;
  const hop = 3 + cost.hopBytes(2) / bandwidth;
  const answer = 3 + cost.answerBytes(2) / bandwidth;
  assert.ok(Math.abs(near.latency(2) - (computing + hop + answer)) < 1e-9);
  const far = pipelineCosts({ cost, stages, coordinator: 2, past: 0 });
  assert.ok(
    Math.abs(far.latency(2) - near.latency(2) - (3 + cost.requestBytes(2) / bandwidth)) < 1e-9,
  );
  // the first stage is the busiest with 6.25 s; on a link ten times slower the hop is
  assert.equal(near.bottleneck(2), 6.25);
  const slow = new CostModel({
    model,
    devices: cost.devices,
    links: { ...links, bytesPerS: links.bytesPerS.map((l) => l.map((b) => b / 100)) },
  });
  assert.equal(
    pipelineCosts({ cost: slow, stages, coordinator: 0, past: 0 }).bottleneck(2),
    slow.hopBytes(2) / 100,
  );
});
