import assert from "node:assert/strict";
import { Activity } from "./activity.ts";

/** An engine whose frames end when the test says so. */
class Engine {
  readonly #name = "engine";
  readonly frames: PromiseWithResolvers<number>[] = [];
  run(rows: number): Promise<number> {
    const frame = Promise.withResolvers<number>();
    this.frames.push(frame);
    return frame.promise.then((n) => n + rows);
  }
  get info(): string {
    return this.#name;
  }
  dispose(): string {
    return `${this.#name} is gone`;
  }
}

Deno.test("Activity.running holds while a frame is computed, and for a while after it", async () => {
  let now = 0;
  const activity = new Activity({ now: () => now });
  const engine = new Engine();
  const watched = activity.watched(engine);
  assert.deepEqual([watched.info, watched.dispose()], ["engine", "engine is gone"]);
  assert.equal(activity.running, false);
  const [first, second] = [watched.run(1), watched.run(2)];
  now = 60_000;
  assert.equal(activity.running, true, "a long prompt");
  engine.frames[0].resolve(10);
  engine.frames[1].reject(new Error("no slot"));
  assert.equal(await first, 11);
  await assert.rejects(second, /no slot/);
  now += 1_499;
  assert.equal(activity.running, true);
  now += 1;
  assert.equal(activity.running, false);
});

Deno.test("Activity.running holds while requests of this node's API get on, wherever their stages are", () => {
  let now = 0;
  const activity = new Activity({ now: () => now });
  assert.equal(activity.running, false);
  now = 5_000;
  activity.progressed();
  assert.equal(activity.running, true);
  now += 1_500;
  assert.equal(activity.running, false, "they stand still: what they wait for comes at full speed");
});
