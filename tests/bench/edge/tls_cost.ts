/**
 * What TLS costs a token and a first token. Nodes have no switch that turns TLS off, so the two are
 * not measured beside each other: the processor time that TLS adds to a message is measured here, as
 * two mailboxes of one process send it, and multiplied by the messages that a token takes.
 *
 * @module
 */
import process from "node:process";
import type { Envelope } from "../../../actors/system/mod.ts";
import {
  createMailbox,
  type MailboxTls,
  type MailboxTransport,
} from "../../../runtime/mailbox/mod.ts";
import { openTrust } from "../../../runtime/trust/mod.ts";
import type { Plan } from "../../../planner/mod.ts";
import { medianOf } from "../shared/figures.ts";
import { inTemporaryFolder } from "../shared/temporary_folder.ts";
import type { EdgeRow } from "./table.ts";

/** Sizes of the messages that are measured, bytes: an answer, some rows, a piece of a prompt. */
const SIZES = [256, 16 * 1024, 256 * 1024];
/** Messages of each size in a round, and rounds, by turns with and without TLS. */
const MESSAGES = [400, 200, 40];
const ROUNDS = 5;
/** Bytes of the answer with a token, from the last stage to the gateway. */
const ANSWER_BYTES = 256;

/** Processor seconds of a message on both ends together. */
export interface MessageCost {
  bytes: number;
  cleartextS: number;
  tlsS: number;
}

/** Measures a message of each size. Takes a few seconds. */
export async function measureTls(): Promise<MessageCost[]> {
  const costs: MessageCost[] = [];
  await inTemporaryFolder(async (data) => {
    await using clear = await pair();
    const trusts = await Promise.all(
      ["bench:0:0001", "bench:1:0002"].map((node) => openTrust({ data, node })),
    );
    await using secure = await pair(trusts);
    for (const [i, bytes] of SIZES.entries()) {
      const seconds: [number[], number[]] = [[], []];
      for (const { cpuS } of [clear, secure]) await cpuS(bytes, MESSAGES[i]); // compiles
      for (let round = 0; round < ROUNDS; round++) {
        for (const [k, { cpuS }] of [clear, secure].entries()) {
          seconds[k].push(await cpuS(bytes, MESSAGES[i]));
        }
      }
      const [cleartextS, tlsS] = seconds.map((all) => medianOf(all));
      costs.push({ bytes, cleartextS, tlsS });
    }
    for (const trust of trusts) trust.close();
  });
  return costs;
}

/** Two mailboxes, the second of which sends back what it gets. */
async function pair(tls: [MailboxTls?, MailboxTls?] | MailboxTls[] = []) {
  const [a, b] = ["bench:0:0001", "bench:1:0002"];
  const echo = await createMailbox({ node: b, tls: tls[1], accept: () => true });
  const driver: MailboxTransport = await createMailbox({
    node: a,
    tls: tls[0],
    accept: () => true,
  });
  let back = () => {};
  echo.start({
    receive: (from, envelope) => void echo.send(from, envelope),
    peerLost: () => {},
  });
  driver.start({ receive: () => back(), peerLost: () => {} });
  driver.addPeer(b, echo.address.host, echo.address.port);
  return {
    /** Processor seconds of one message, of `count` that go there and back. */
    async cpuS(bytes: number, count: number): Promise<number> {
      const message: Envelope = { kind: "reply", id: 1, body: new Uint8Array(bytes) };
      const before = process.cpuUsage();
      for (let i = 0; i < count; i++) {
        const heard = new Promise<void>((resolve) => back = resolve);
        await driver.send(b, message);
        await heard;
      }
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e6 / (2 * count);
    },
    async [Symbol.asyncDispose]() {
      await driver.close({ deadlineMs: 0 });
      await echo.close({ deadlineMs: 0 });
    },
  };
}

/** A placement on devices, and what was measured on it. */
export interface TlsCase {
  /** Devices with stages. */
  stages: number;
  /** Cores of the slowest device. */
  cores: number;
  /** Bytes that a row takes from one device to the next. */
  rowBytes: number;
  /** Rows of the prompt's pieces, in order. */
  pieces: readonly number[];
  /** Seconds to the first token of that prompt, and between two tokens. */
  ttftS: number;
  tokenS: number;
}

/** The share of TLS in the time to the first token and in that of a token, 0 to 1. */
export function tlsShares(
  costs: readonly MessageCost[],
  { stages, cores, rowBytes, pieces, ttftS, tokenS }: TlsCase,
): { ttft: number; token: number } {
  // A device with a part of a core takes so much longer for the same work.
  const seconds = (bytes: number) => addedS(costs, bytes) / cores;
  const hops = stages - 1;
  const answer = hops > 0 ? seconds(ANSWER_BYTES) : 0;
  const token = hops * seconds(rowBytes) + answer;
  // Pieces follow each other: each delays the first hop, and the last one passes all the others.
  const first = hops === 0 ? 0 : pieces.reduce((sum, rows) => sum + seconds(rows * rowBytes), 0) +
    (hops - 1) * seconds(pieces[pieces.length - 1] * rowBytes) + answer;
  return { ttft: first / ttftS, token: token / tokenS };
}

/** What was measured, in a line. */
export function costLine(costs: readonly MessageCost[]): string {
  const each = costs.map((c) =>
    `${c.bytes} bytes ${(c.cleartextS * 1e3).toFixed(3)} -> ${(c.tlsS * 1e3).toFixed(3)} ms`
  );
  return `processor time of a message on both ends, cleartext -> TLS: ${each.join(", ")}`;
}

/** Length of the prompts whose first token is meant, in tokens. */
const PROMPT = 512;

/** The shares of TLS on devices with so many cores, in a line; undefined: a figure is missing. */
export function shareLine(
  costs: readonly MessageCost[],
  { plan, row, cores }: { plan: Plan; row: EdgeRow; cores: number[] },
): string | undefined {
  const ttftS = row.ttft.get(PROMPT);
  if (ttftS === undefined || row.decode === undefined || row.bytesPerHop === undefined) return;
  const { ttft, token } = tlsShares(costs, {
    stages: plan.stages.length,
    cores: Math.min(...cores),
    rowBytes: row.bytesPerHop,
    pieces: plan.piece_buckets.find((b) => b.prompt_tokens >= PROMPT)?.rows ?? [PROMPT],
    ttftS,
    tokenS: 1 / row.decode,
  });
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  return `TLS: ${percent(ttft)} of the TTFT of ${PROMPT} tokens, ${percent(token)} of a token`;
}

/** Processor seconds that TLS adds to a message, between and beyond the sizes that were measured. */
function addedS(costs: readonly MessageCost[], bytes: number): number {
  const added = costs.map((c) => ({ bytes: c.bytes, s: Math.max(0, c.tlsS - c.cleartextS) }));
  const at = added.findIndex((c) => c.bytes >= bytes);
  if (at === 0) return added[0].s;
  const [low, high] = at < 0 ? added.slice(-2) : [added[at - 1], added[at]];
  return Math.max(0, low.s + (high.s - low.s) * (bytes - low.bytes) / (high.bytes - low.bytes));
}
