/**
 * `deno task test:faults [--seed N] [--faults 200] [--logs FOLDER]`: four nodes in processes of their own answer
 * without a pause while nodes are killed, stand still, lose their links and run out of disk. Every
 * greedy text must be the undisturbed one.
 *
 * A node that was killed stays dead until the answers that were under way are over. A kill for want of
 * memory is the kernel's own (memory control groups). Without root there are no links to cut, no disks to
 * fill, and no memory to take away.
 * The node that a client asks is never the one that fails. What the nodes have printed is kept in the
 * folder of `--logs`, and where something is wrong in one that is named then.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ETCD } from "./support/etcd_server.ts";
import { type FaultOutcome, type FaultReport, runFaults } from "./support/run_faults.ts";

/** A row of the table. */
function rowOf(name: string, outcomes: readonly FaultOutcome[]): string {
  const pauses = outcomes.flatMap(({ pausesMs }) => pausesMs).sort((a, b) => a - b);
  const at = (share: number) => {
    const ms = pauses[Math.min(pauses.length - 1, Math.floor(share * pauses.length))];
    return ms === undefined ? "-" : `${(ms / 1000).toFixed(2)} s`;
  };
  const cells = [`${outcomes.length}`, `${pauses.length}`, at(0.5), at(0.99), at(1)];
  return name.padEnd(24) + cells.map((cell) => cell.padStart(10)).join("");
}

/** Pauses by what failed, and by what the node did. */
function tableOf({ outcomes }: FaultReport): string {
  const by = (key: "kind" | "role") =>
    [...Map.groupBy(outcomes, (o) => o[key])].map(([name, own]) => rowOf(name, own));
  const head = ["faults", "answers", "p50", "p99", "longest"];
  return [
    "pause".padEnd(24) + head.map((cell) => cell.padStart(10)).join(""),
    ...by("kind"),
    ...by("role"),
    rowOf("all", outcomes),
  ].join("\n");
}

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    faults: { type: "string", default: "200" },
    logs: { type: "string" },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const faults = Number(values.faults);
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(faults) || faults < 1) {
  console.error("expected whole numbers: test:faults [--seed N] [--faults 200] [--logs FOLDER]");
  Deno.exit(2);
}
if (!ETCD) {
  console.error("there is no etcd on the PATH: install it (Debian: apt install etcd-server)");
  Deno.exit(1);
}
console.log(`seed ${seed}, ${faults} faults`);
const { logs } = values;
if (logs !== undefined) await Deno.mkdir(logs, { recursive: true });
const folder = logs ?? await Deno.makeTempDir({ prefix: "orrery-faults-logs-" });
const report = await runFaults({
  ...{ seed, faults, machines: true },
  say: (line) => console.log(`${new Date().toISOString()} ${line}`),
  log: (node, output) => Deno.writeTextFileSync(join(folder, `${node}.log`), output),
}).catch((error) => {
  console.error(`what the nodes printed: ${folder}`);
  throw error;
});
console.log(tableOf(report));
const { answers, moved, wrong, refused } = report;
console.log(
  `${answers} answers, of which ${moved} went on elsewhere; ${refused} times a request was refused ` +
    `since nothing served, and sent again; ${wrong.length} failed or have another text`,
);
for (const line of wrong) console.log(line);
if (wrong.length > 0) console.log(`what the nodes printed: ${folder}`);
else if (logs === undefined) await Deno.remove(folder, { recursive: true });
Deno.exit(wrong.length > 0 ? 1 : 0);
