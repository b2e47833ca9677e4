/**
 * Judges what a checkup found: every line says what is wrong and what to do. Pure.
 *
 * @module
 */
import type { CheckupReport, Examination } from "../../actors/mod.ts";
import type { Problem } from "./report.ts";

/** Certificates last 24 hours and are renewed after 16: fewer hours left mean that it fails. */
const LEAST_CERTIFICATE_S = 4 * 3600;
/** Clocks further apart than this are said to be wrong. Milliseconds. */
const MOST_CLOCK_MS = 60_000;
/** A machine with less memory left is short of it. Bytes. */
const LEAST_MEMORY_BYTES = 128 * 2 ** 20;

/** A member that answered. */
interface Examined {
  node: string;
  examination: Examination;
}

/** What is wrong, in the order of the nodes; then what is between two nodes. */
export function findProblems({ nodes, links }: CheckupReport): Problem[] {
  const examined = nodes.filter((n) => n.state === "examined");
  const silent = nodes.filter((n) => n.state === "silent");
  const announced = examined.some(({ examination }) => examination.discovery === "announces");
  return [
    ...silent.map(({ node, why }) => ({
      node,
      about: "answer",
      what: `it does not answer: ${why}`,
      remedy: "see whether its machine and its process run, and start it again; or shut it out " +
        "with `deno task nodes remove`",
    })),
    ...nodes.filter((n) => n.state === "outdated").map(({ node }) => ({
      node,
      about: "version",
      what: "its program is older than the doctor, and cannot be examined",
      remedy: "bring it up to date and start it again",
    })),
    ...examined.flatMap((one) => ofOne(one, announced)),
    ...versions(examined),
    ...clocks(examined),
    ...ways(examined, new Set(silent.map(({ node }) => node))),
    ...links.flatMap(({ from, to, ...link }): Problem[] => {
      if (link.state !== "failed") return [];
      return [{
        node: from,
        about: "link",
        what: `its link to ${to} could not be measured: ${link.why}`,
        remedy: "look for a network that loses packets or is overloaded, and ask again",
      }];
    }),
  ];
}

/** What is wrong with one node, whatever the others are like. */
function ofOne({ node, examination }: Examined, announced: boolean): Problem[] {
  const { certificate_s, memory, discovery, discovered, faults } = examination;
  const problems: Problem[] = faults.map((fault) => ({ node, ...fault }));
  const say = (about: string, what: string, remedy: string) =>
    problems.push({ node, about, what, remedy });
  if (certificate_s < LEAST_CERTIFICATE_S) {
    const left = certificate_s <= 0
      ? "ended"
      : `end in ${Math.round(certificate_s / 60)} min and were not renewed`;
    say(
      "certificate",
      `its certificates ${left}`,
      "its log says why the first node does not renew them; a restart joins anew, without a token",
    );
  }
  const { available_bytes, process_bytes, stages_bytes, limit_bytes } = memory;
  const usable = available_bytes + process_bytes;
  if (stages_bytes > usable) {
    say(
      "memory",
      `its stages were given ${mib(stages_bytes)}, and the machine has ${mib(usable)} for them`,
      "end other programs there, or start the node with a smaller --memory, so that it gets fewer " +
        "layers",
    );
  } else if (available_bytes < LEAST_MEMORY_BYTES) {
    say(
      "memory",
      `the machine has ${mib(available_bytes)} left`,
      "end other programs there, or start the node with a smaller --memory" +
        (limit_bytes === null ? "" : ` than ${mib(limit_bytes)}`),
    );
  }
  if (announced && discovery !== "off" && !discovered) {
    say(
      "discovery",
      "it does not hear the cluster's announcement on the local network",
      "let UDP port 5353 (multicast DNS) through firewall and switch, or join by address and start " +
        "the node with --no-discovery",
    );
  }
  return problems;
}

/** Programs that differ from the first node's. */
function versions([first, ...others]: Examined[]): Problem[] {
  return others.flatMap(({ node, examination: { program, protocol } }) => {
    const reference = first.examination;
    if (program === reference.program && protocol.highest === reference.protocol.highest) return [];
    const text = (version: string, { lowest, highest }: typeof protocol) =>
      `Orrery ${version} (protocol ${lowest === highest ? highest : `${lowest} to ${highest}`})`;
    return [{
      node,
      about: "version",
      what: `it runs ${text(program, protocol)}, and ${first.node} runs ${
        text(reference.program, reference.protocol)
      }`,
      remedy: "bring the older one up to date and start it again; neighbouring versions of the " +
        "protocol work together meanwhile",
    }];
  });
}

/** Clocks that are not as the first node measured its own. */
function clocks([first]: Examined[]): Problem[] {
  return (first?.examination.peers ?? []).flatMap((peer): Problem[] => {
    if (peer.state !== "reached") return [];
    const { node, clock_ms, clock_error_ms } = peer;
    if (clock_ms === null || Math.abs(clock_ms) - clock_error_ms <= MOST_CLOCK_MS) return [];
    const way = clock_ms > 0 ? "ahead of" : "behind";
    return [{
      node,
      about: "clock",
      what: `its clock is ${Math.round(Math.abs(clock_ms) / 1000)} s ${way} that of ${first.node}`,
      remedy: "set the wrong one of the two (`timedatectl set-ntp true`): beyond 24 hours " +
        "certificates count as invalid",
    }];
  });
}

/** Members that a node does not reach, those that answer nobody left out. */
function ways(examined: Examined[], silent: ReadonlySet<string>): Problem[] {
  return examined.flatMap(({ node, examination: { peers } }) =>
    peers.flatMap((peer): Problem[] => {
      if (peer.state === "reached" || silent.has(peer.node)) return [];
      return [{
        node,
        about: "link",
        what: `it does not reach ${peer.node}: ${peer.why}`,
        remedy: `open the mailbox port of ${peer.node} to it: look at firewalls between the two`,
      }];
    })
  );
}

const mib = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
