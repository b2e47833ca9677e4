/**
 * Journals: nodes that crash, stand still, lose each other and the registry, while clients read
 * answers and come back to other nodes.
 *
 * @module
 */
import type { Registry } from "../../actors/mod.ts";
import { runJournals } from "../support/journal/run.ts";
import type { JournalReport, JournalVariant } from "../support/journal/world.ts";
import { type SeedReport, seedsFrom, type SimulationArea } from "./simulation_area.ts";

async function run(seed: number, variant?: JournalVariant): Promise<SeedReport> {
  const reports: JournalReport[] = [];
  await runJournals([seed], (report) => void reports.push(report), variant);
  const [{ problems, steps, returns, ended, faults }] = reports;
  const kinds = Object.fromEntries(
    [...Map.groupBy(faults, (kind) => kind)].map(([kind, all]) => [kind, all.length]),
  );
  return { violations: problems, steps, counts: { ended, returns, ...kinds } };
}

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

/** See the module's text. */
export const JOURNAL: SimulationArea = {
  name: "journal",
  promise:
    "no token is lost, doubled, or told before it is journalled; each request ends once and is forgotten",
  share: 10,
  run: (seed) => run(seed),
  least: { returns: 1 },
  broken: Object.entries(BROKEN).map(([name, { variant, shows }]) => ({
    ...{ name, shows, seeds: seedsFrom(1, 60) },
    run: (seed) => run(seed, variant),
  })),
};
