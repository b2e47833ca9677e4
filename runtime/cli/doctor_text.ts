/**
 * The doctor's report as text: a table of nodes, a table of links, a list of problems.
 *
 * @module
 */
import pc from "picocolors";
import type { Examination, Fault, LinkCheck, NodeCheck } from "../../actors/mod.ts";
import type { DoctorReport, FileReport } from "../doctor/mod.ts";
import { asCalled } from "./as_called.ts";
import { table } from "./table.ts";

/** The report that a node gave after so many seconds. */
export function reportText({ nodes, links, problems }: DoctorReport, seconds: number): string {
  const bold = (cells: string[]) => cells.map((cell) => pc.bold(cell));
  const head = ["NODE", "VERSION", "CLOCK", "CERTIFICATE", "DISK", "MEMORY", "REGISTRY"];
  const first = nodes.find((n) => n.state === "examined");
  const parts = [
    table([
      bold([...head, "DISCOVERY"]),
      ...nodes.map((node) => nodeCells(node, clockOf(node.node, first))),
    ]),
  ];
  if (links.length > 0) parts.push(linkTable(links));
  const counts = [counted(nodes.length, "node"), counted(links.length, "link")];
  parts.push(
    problems.length === 0
      ? `${pc.green("no problems")}: ${counts.join(" and ")} examined in ${seconds.toFixed(1)} s`
      : problemText(problems),
  );
  return parts.join("\n\n");
}

/** A line for each link. */
export const linkTable = (links: readonly LinkCheck[]): string =>
  table([
    ["LINK", "LATENCY", "THERE", "BACK"].map((cell) => pc.bold(cell)),
    ...links.map(linkCells),
  ]);

/** What was found in a folder whose node does not answer. */
export function fileText(files: FileReport, problems: Fault[]): string {
  const { data, disk, authority, registry } = files;
  return [
    `no node was asked; this is what the files in ${data} show`,
    table([
      ["disk", disk ? `${size(disk.free_bytes)} free of ${size(disk.total_bytes)}` : "unknown"],
      [
        "authority",
        authority
          ? `${authority.sha256.slice(0, 16)}..., good for ${timeLeft(authority.left_s)}`
          : "none: this is no first node",
      ],
      ["registry", REGISTRY[registry]],
    ]),
    problemText(problems),
  ].join("\n\n");
}

const REGISTRY: Record<FileReport["registry"], string> = {
  absent: "none in this folder",
  in_use: "a running node has it open",
  sound: "compares before it sets",
  unsound: "fails its test",
};

/** One line for each problem, the node's name in front where it has one. */
function problemText(problems: (Fault & { node?: string })[]): string {
  const lines = problems.map(({ node, about, what, remedy }) =>
    `  ${node === undefined ? "" : `${node} `}${about}: ${asCalled(what)}\n` +
    `    ${pc.bold("do")} ${asCalled(remedy)}`
  );
  return [pc.red(counted(problems.length, "problem")), ...lines].join("\n");
}

function nodeCells(check: NodeCheck, clock: string): string[] {
  const name = shortName(check.node);
  if (check.state === "silent") return [name, pc.red("no answer")];
  if (check.state === "outdated") return [name, pc.yellow("too old to be examined")];
  const { program, protocol, certificate_s, disk, memory, registry, discovery, discovered } =
    check.examination;
  const { lowest, highest } = protocol;
  return [
    name,
    `${program} (protocol ${lowest === highest ? highest : `${lowest}-${highest}`})`,
    clock,
    timeLeft(certificate_s),
    disk ? `${size(disk.free_bytes)} free` : "unknown",
    `${size(memory.available_bytes)} free, stages ${size(memory.stages_bytes)}`,
    registry ? `${registry.kind}${registry.test_ms === null ? " (fails)" : ""}` : "-",
    discoveryText(discovery, discovered),
  ];
}

function discoveryText(does: Examination["discovery"], discovered: boolean): string {
  if (does === "off") return "off";
  if (does === "announces") return discovered ? "announced" : "announced, not heard";
  return discovered ? "hears it" : "hears nothing";
}

/** How a node's clock differs from the first node's, as that one measured it. */
function clockOf(node: string, first: Extract<NodeCheck, { state: "examined" }> | undefined) {
  if (!first) return "-";
  if (node === first.node) return "reference";
  const reach = first.examination.peers.find((peer) => peer.node === node);
  if (reach?.state !== "reached" || reach.clock_ms === null) return "-";
  const { clock_ms, clock_error_ms } = reach;
  return `${signed(clock_ms)} ms ±${Math.ceil(clock_error_ms)}`;
}

function linkCells(link: LinkCheck): string[] {
  const name = `${shortName(link.from)} - ${shortName(link.to)}`;
  if (link.state === "failed") return [name, pc.red("failed")];
  if (link.state === "left_out") return [name, "not measured: too many links for the time"];
  return [
    name,
    `${(link.seconds * 1000).toFixed(2)} ms`,
    rate(link.bytes_per_s),
    rate(link.bytes_per_s_back),
  ];
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
const signed = (ms: number): string => `${ms >= 0 ? "+" : "-"}${Math.round(Math.abs(ms))}`;
/** The name in a node's id. */
const shortName = (node: string): string => node.split(":")[0];
const rate = (bytesPerS: number): string => `${Math.round(bytesPerS * 8 / 1e6)} Mbit/s`;

function size(bytes: number): string {
  return bytes >= 2 ** 30
    ? `${(bytes / 2 ** 30).toFixed(1)} GiB`
    : `${Math.round(bytes / 2 ** 20)} MiB`;
}

function timeLeft(s: number): string {
  if (s <= 0) return "ended";
  if (s >= 72 * 3600) return `${Math.floor(s / 86_400)} days`;
  return s >= 3600 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 60)} min`;
}
