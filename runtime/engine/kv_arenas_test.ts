import assert from "node:assert/strict";
import { hasCode } from "../../actors/system/errors.ts";
import {
  assertSame,
  chain,
  Fixture,
  open,
  range,
  TOKENS,
  tokensOf,
} from "../../tests/support/engine_fixture.ts";

const options = { sanitizeOps: true, sanitizeResources: true };

Deno.test(
  "KvArenas.layout() keeps to the budget, and close() gives the memory back",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const probe = await fixture.engine();
    const bytes = probe.info.kvBytesPerRow * 100;
    const engine = await fixture.engine(0, 3, 2 * bytes);
    await open(engine, "a", 100);
    await open(engine, "b", 100);
    assert.deepEqual(await engine.stats(), {
      arenas: 2,
      arenaBytes: 2 * bytes,
      frames: 0,
      rows: 0,
      busyMs: 0,
    });
    await assert.rejects(
      open(engine, "c", 1),
      (e) =>
        hasCode(e, "arena_memory") && e.metadata.used === 2 * bytes &&
        e.metadata.budget === 2 * bytes,
    );
    await engine.close("a");
    await engine.close("never opened");
    assert.equal((await engine.stats()).arenaBytes, bytes);
    await open(engine, "c", 100);
    await assert.rejects(engine.run(chain("a", 0, [1])), (e) => hasCode(e, "no_arena"));
  },
);

Deno.test(
  "KvArenas.layout() counts what the caller keeps beside each slot, until the arena is closed",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const bytes = (await fixture.engine()).info.kvBytesPerRow;
    const beside = 500;
    const engine = await fixture.engine(0, 3, 100 * (bytes + beside));
    await engine.layout("a", { capacity: 40, keep: new Int32Array(0), beside });
    await engine.layout("b", { capacity: 60, keep: new Int32Array(0), beside });
    assert.equal((await engine.stats()).arenaBytes, 100 * (bytes + beside));
    await assert.rejects(open(engine, "c", 1), (e) => hasCode(e, "arena_memory"));
    await engine.layout("a", { capacity: 20, keep: new Int32Array(0), beside });
    assert.equal((await engine.stats()).arenaBytes, 80 * (bytes + beside));
    await engine.close("a");
    await engine.close("b");
    assert.equal((await engine.stats()).arenaBytes, 0);
  },
);

Deno.test(
  "KvArenas.layout() counts the new capacity against the budget, but not the arena's old one",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const bytes = (await fixture.engine()).info.kvBytesPerRow;
    const engine = await fixture.engine(0, 3, 100 * bytes);
    await open(engine, "a", 40);
    await open(engine, "b", 40);
    await engine.run(chain("a", 0, TOKENS.slice(0, 30)));
    const keep = Int32Array.from(range(30));
    await assert.rejects(
      engine.layout("a", { capacity: 61, keep }),
      (e) => hasCode(e, "arena_memory") && e.metadata.used === 40 * bytes,
    );
    await engine.layout("a", { capacity: 60, keep });
    assert.equal((await engine.stats()).arenaBytes, 100 * bytes);
    await engine.layout("a", { capacity: 30, keep });
    assert.equal((await engine.stats()).arenaBytes, 70 * bytes);
    await assert.rejects(
      engine.run(chain("a", 30, [1])),
      (e) => hasCode(e, "arena_full") && e.metadata.capacity === 30,
    );
    await engine.layout("a", { capacity: 30, keep: new Int32Array(0) });
    await assert.rejects(
      engine.run(chain("a", 5, [1])),
      (e) => hasCode(e, "bad_frame"),
      "rows that were let go",
    );
    assert.equal((await tokensOf(engine, chain("a", 0, [1]))).length, 1);
  },
);

Deno.test(
  "KvArenas.layout() refuses what cannot be kept and leaves the arena as it was",
  options,
  async () => {
    await using fixture = await Fixture.make();
    const engine = await fixture.engine();
    const keep = (...slots: number[]) => Int32Array.from(slots);
    await assert.rejects(
      engine.layout("r", { capacity: 8, keep: keep(0) }),
      (e) => hasCode(e, "no_arena") && /arena r/.test(e.message),
    );
    await open(engine, "r", 16);
    await open(engine, "plain", 16);
    for (const arena of ["r", "plain"]) await engine.run(chain(arena, 0, TOKENS.slice(0, 6)));
    await engine.run(chain("r", 8, [1], { parent: 5, position: 6 }));
    const bad: [number, Int32Array][] = [
      [16, keep(1)], // its parent goes
      [16, keep(1, 0)],
      [16, keep(0, 0)],
      [16, keep(0, 1, 7)], // a hole
      [16, keep(0, 99)],
      [16, keep(-1)],
      [2, keep(0, 1, 2)],
      [0, keep()],
    ];
    for (const [capacity, kept] of bad) {
      await assert.rejects(
        engine.layout("r", { capacity, keep: kept }),
        (e) => hasCode(e, "bad_frame"),
        `${kept}`,
      );
    }
    await assert.rejects(
      engine.layout("r", { capacity: 1 << 20, keep: keep(0) }),
      (e) => hasCode(e, "arena_memory") && Number(e.metadata.bytes) > Number(e.metadata.budget),
    );
    assertSame(
      await tokensOf(engine, chain("r", 6, [7, 8], { want: [0, 1] })),
      await tokensOf(engine, chain("plain", 6, [7, 8], { want: [0, 1] })),
      "after refused layouts",
    );
  },
);
