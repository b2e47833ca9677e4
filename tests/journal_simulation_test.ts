/**
 * Journals under the simulator: nodes that crash, stand still, lose each other and the registry,
 * while clients read answers and come back to other nodes. Journals that are broken on purpose must
 * be noticed.
 */
import assert from "node:assert/strict";
import type { Registry } from "../actors/mod.ts";
import { runJournals } from "./support/journal/run.ts";
import type { JournalReport, JournalVariant } from "./support/journal/world.ts";

const SEEDS = 60;
const seeds = Array.from({ length: SEEDS }, (_, i) => i + 1);

Deno.test("Journal loses no token, doubles none and ends each request once, on every seed", async () => {
  const reports: JournalReport[] = [];
  await runJournals(seeds, (report) => void reports.push(report));
  const wrong = reports.filter(({ problems }) => problems.length > 0);
  assert.deepEqual(wrong.map(({ seed, problems }) => `${seed}: ${problems[0]}`), []);
  const returns = reports.reduce((all, report) => all + report.returns, 0);
  assert.ok(returns > SEEDS, `clients came back ${returns} times`);
  const faults = new Set(reports.flatMap((report) => report.faults));
  assert.equal(faults.size, 5, [...faults].join());
});

/** The registry without the checks of writes to journals' records. */
const unchecked = (registry: Registry): Registry =>
  new Proxy(registry, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== "transact") return typeof value === "function" ? value.bind(target) : value;
      return ((transaction, options) => {
        const ours = transaction.sets?.some(({ key }) => key.startsWith("journals/"));
        return target.transact({ ...transaction, ...(ours && { checks: [] }) }, options);
      }) as Registry["transact"];
    },
  });

const BROKEN: Record<string, { variant: JournalVariant; shows: RegExp }> = {
  "records that are told before the second node has them": {
    variant: {
      append: (send) => (holder, message) => {
        send(holder, message).catch(() => {});
        return Promise.resolve({ state: "kept", missing: [], refused: [] });
      },
    },
    shows: /has told record|lost|different/,
  },
  "a holder that obeys the node whose requests it has taken over": {
    variant: {
      answer: (answer) =>
        answer.state === "sealed" ? { state: "kept", missing: [], refused: [] } : answer,
    },
    shows: /has told record|different/,
  },
  "takeovers and choices that compare no version": {
    variant: { registry: unchecked },
    shows: /different|lost|has told record/,
  },
};
for (const [name, { variant, shows }] of Object.entries(BROKEN)) {
  Deno.test(`Journal is noticed to be broken with ${name}`, async () => {
    let first: JournalReport | undefined;
    await runJournals(seeds, (report) => {
      if (report.problems.length > 0) first ??= report;
      return first !== undefined;
    }, variant);
    assert.ok(first, `no seed of ${SEEDS} shows it`);
    assert.match(first.problems[0], shows);
  });
}
