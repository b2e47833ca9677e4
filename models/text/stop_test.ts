import assert from "node:assert/strict";
import fc from "fast-check";
import { StopMatcher } from "./stop.ts";

Deno.test("StopMatcher.push() finds the same stop however the text is cut", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 24 });
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }),
    {
      maxLength: 3,
    },
  );
  fc.assert(
    fc.property(
      letters,
      stops,
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
      (text, stops, cuts) => {
        const run = (sizes: number[]) => {
          const matcher = new StopMatcher(stops);
          let shown = "", stop: string | undefined;
          for (
            let at = 0, i = 0;
            at < text.length && stop === undefined;
            at += sizes[i++ % sizes.length]
          ) {
            const result = matcher.push(text.slice(at, at + sizes[i % sizes.length]));
            shown += result.text;
            stop = result.stop;
          }
          return { shown: shown + matcher.flush(), stop };
        };
        const whole = run([100]);
        assert.deepEqual(run(cuts), whole);
        assert.deepEqual(run([1]), whole);
        assert.equal(stops.some((stop) => whole.shown.includes(stop)), false);
        assert.ok(text.startsWith(whole.shown + (whole.stop ?? "")));
        if (whole.stop === undefined) assert.equal(whole.shown, text);
      },
    ),
  );
});

Deno.test("StopMatcher.push() holds back only what may be the start of a stop string", () => {
  const matcher = new StopMatcher(["\n\nUser:"]);
  assert.deepEqual(matcher.push("yes\n"), { text: "yes" });
  assert.deepEqual(matcher.push("no\n\nUs"), { text: "\nno" });
  assert.deepEqual(matcher.push("er: x"), { text: "", stop: "\n\nUser:" });
  assert.deepEqual(matcher.push("more"), { text: "" });
});
