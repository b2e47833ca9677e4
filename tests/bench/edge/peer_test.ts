import assert from "node:assert/strict";
import { askPeer, peerRows, readPeerAnswer } from "./peer.ts";

const REQUEST = {
  fleet: { name: "own", cores: [0.5], mbit: 100, period_us: 2500 },
  devices: [{ address: "10.77.0.1", command: ["bash"], env: {} }],
  model: {
    name: "m",
    data: "/nowhere",
    shape: { hidden: 8, layers: 1, heads: 1, kvHeads: 1, intermediate: 8, vocab: 8 },
  },
  measure: {
    ttft_prompts: [512],
    decode: { prompt: 32, tokens: 64 },
    request: { prompt: 260, tokens: 64 },
  },
  repeats: 1,
};

Deno.test("askPeer() gives a command the request and reads its last line", async () => {
  const script = `read line; echo loading; ` +
    `echo '{"peer":"p","rows":[{"name":"one device","devices":1,"ttft_s":{"512":2}}]}'`;
  const answer = await askPeer(script, REQUEST, AbortSignal.timeout(10_000));
  const [row] = peerRows(answer);
  assert.deepEqual([row.peer, row.name, row.devices, row.mode], ["p", "one device", 1, "plain"]);
  assert.deepEqual([...row.ttft], [[512, 2]]);
  const echo = await askPeer(
    `read line; printf '{"peer":"%s","rows":[{"name":"x","devices":1}]}' "\${#line}"`,
    REQUEST,
    AbortSignal.timeout(10_000),
  );
  assert.equal(Number(echo.peer), JSON.stringify(REQUEST).length, "the whole request is one line");
});

Deno.test("askPeer() says which command failed, with its status", async () => {
  await assert.rejects(
    askPeer("exit 3", REQUEST, AbortSignal.timeout(10_000)),
    /exit 3 .*status 3/,
  );
});

Deno.test("readPeerAnswer() names the field that is wrong", () => {
  const read = (text: string) => readPeerAnswer(text, "x");
  assert.throws(() => read("loading"), /x: its last line is no JSON: "loading"/);
  assert.throws(() => read('{"peer":"p","rows":[]}'), /rows/);
  const bad = '{"peer":"p","rows":[{"name":"a","devices":1,"decode_tokens_per_s":-1}]}';
  assert.throws(() => read(bad), /decode_tokens_per_s/);
});
