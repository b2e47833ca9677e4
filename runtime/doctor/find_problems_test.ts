import assert from "node:assert/strict";
import type { CheckupReport, Examination } from "../../actors/mod.ts";
import { findProblems } from "./find_problems.ts";

const GIB = 2 ** 30;

const examination = (more: Partial<Examination> = {}): Examination => ({
  program: "0.1.0",
  protocol: { lowest: 1, highest: 2 },
  certificate_s: 80_000,
  disk: { free_bytes: 9 * GIB, total_bytes: 99 * GIB },
  memory: {
    available_bytes: 2 * GIB,
    process_bytes: GIB,
    stages_bytes: GIB,
    limit_bytes: null,
  },
  registry: null,
  discovery: "off",
  discovered: false,
  faults: [],
  peers: [],
  ...more,
});

/** The report of nodes den and attic. */
const report = (
  den: Partial<Examination>,
  attic: Partial<Examination> = {},
  links: CheckupReport["links"] = [],
): CheckupReport => ({
  nodes: [
    { node: "den:1:00aa", state: "examined", examination: examination(den) },
    { node: "attic:1:00bb", state: "examined", examination: examination(attic) },
  ],
  links,
});

/** The problems, as `node about` and their text. */
const found = (checkup: CheckupReport) =>
  findProblems(checkup).map(({ node, about, what }) => `${node.split(":")[0]} ${about}: ${what}`);

const reached = (clock_ms: number) => ({
  state: "reached" as const,
  node: "attic:1:00bb",
  round_trip_ms: 1,
  clock_ms,
  clock_error_ms: 2,
});

Deno.test("findProblems() finds none at two sound nodes whose clocks are 40 s apart", () => {
  const link = { from: "den:1:00aa", to: "attic:1:00bb", seconds: 1e-3 };
  const sound = report({ peers: [reached(40_000)] }, {}, [
    { state: "measured", ...link, bytes_per_s: 1e6, bytes_per_s_back: 1e6 },
    { state: "left_out", from: link.from, to: link.to },
  ]);
  assert.deepEqual(findProblems(sound), []);
});

Deno.test("findProblems() says whose clock is wrong, by how much and in which direction", () => {
  assert.deepEqual(found(report({ peers: [reached(93_000)] })), [
    "attic clock: its clock is 93 s ahead of that of den:1:00aa",
  ]);
  assert.deepEqual(found(report({ peers: [reached(-7_200_000)] })), [
    "attic clock: its clock is 7200 s behind that of den:1:00aa",
  ]);
});

Deno.test("findProblems() judges certificates, memory and versions with their figures", () => {
  const memory = { available_bytes: GIB, process_bytes: GIB, stages_bytes: 3 * GIB };
  const problems = found(report({ certificate_s: 600 }, {
    certificate_s: -5,
    memory: { ...memory, limit_bytes: null },
    program: "0.0.9",
    protocol: { lowest: 1, highest: 1 },
  }));
  assert.deepEqual(problems, [
    "den certificate: its certificates end in 10 min and were not renewed",
    "attic certificate: its certificates ended",
    "attic memory: its stages were given 3072 MiB, and the machine has 2048 MiB for them",
    "attic version: it runs Orrery 0.0.9 (protocol 1), and den:1:00aa runs Orrery 0.1.0 " +
    "(protocol 1 to 2)",
  ]);
  const low = { available_bytes: 2 ** 20, process_bytes: GIB, stages_bytes: 0, limit_bytes: GIB };
  assert.deepEqual(found(report({ memory: low })), ["den memory: the machine has 1 MiB left"]);
});

Deno.test("findProblems() asks for discovery only where a cluster is announced and looked for", () => {
  const looks = { discovery: "looks" } as const;
  assert.deepEqual(found(report({}, looks)), []);
  assert.deepEqual(found(report({ discovery: "announces", discovered: true }, looks)), [
    "attic discovery: it does not hear the cluster's announcement on the local network",
  ]);
  assert.deepEqual(found(report({ discovery: "announces", discovered: true })), []);
});

Deno.test("findProblems() has one line for a silent node, and one for each way that is closed", () => {
  const closed = { state: "unreachable" as const, node: "attic:1:00bb", why: "refused" };
  assert.deepEqual(found(report({ peers: [closed] })), [
    "den link: it does not reach attic:1:00bb: refused",
  ]);
  const silent = report({ peers: [closed] });
  silent.nodes[1] = { node: "attic:1:00bb", state: "silent", why: "no answer in 7 s" };
  assert.deepEqual(found(silent), ["attic answer: it does not answer: no answer in 7 s"]);
  silent.nodes[1] = { node: "attic:1:00bb", state: "outdated" };
  assert.match(found(silent)[0], /^attic version: its program is older than the doctor/);
  const failed = { state: "failed" as const, from: "den:1:00aa", to: "attic:1:00bb", why: "late" };
  assert.deepEqual(found(report({}, {}, [failed])), [
    "den link: its link to attic:1:00bb could not be measured: late",
  ]);
});

Deno.test("findProblems() passes on what nodes found themselves, and every line has a remedy", () => {
  const fault = { about: "disk", what: "full", remedy: "make room" };
  const problems = findProblems(report({ faults: [fault], certificate_s: 1 }));
  assert.deepEqual(problems[0], { node: "den:1:00aa", ...fault });
  assert.ok(problems.every(({ remedy }) => remedy.length > 8));
});
