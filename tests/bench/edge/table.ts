/**
 * The table of the edge benchmark: a row for each way to run the model, and for each row its ratios
 * to the best that one device can do in the same mode, to the plain pipeline, and to a peer.
 *
 * @module
 */
import { alignRows } from "../shared/figures.ts";

/** How the requests of a row were answered. `auto`: as the node chose for each request. */
export type RowMode = "plain" | "speculation" | "outline" | "outline 16" | "auto";

/**
 * Figures of one row of the table. Undefined: not measured, because it cannot differ from the row
 * above.
 */
export interface EdgeRow {
  name: string;
  /** Devices that took part; of a peer as it says. */
  devices: number;
  mode: RowMode;
  /** Name of the program if it is not this project. */
  peer?: string;
  /** Seconds to the first token, by prompt length in tokens. */
  ttft: Map<number, number>;
  /** Tokens a second after the first token, of 64 tokens that follow a short prompt. */
  decode?: number;
  /** Seconds for a prompt of 260 tokens and 64 new ones. */
  request?: number;
  /** Seconds for an answer of 512 tokens. */
  answer?: number;
  /** Tokens a second in that answer. */
  answerSpeed?: number;
  /** Share of the stages' time without work, 0 to 1. */
  bubbles?: number;
  /** Share of the computed rows that were of no use, 0 to 1. */
  wasted?: number;
  /** Bytes that a token takes from one device to the next. */
  bytesPerHop?: number;
  /** Processor seconds of all devices. */
  cpuS?: number;
  /** Resident memory of each device's process after the requests, in bytes. */
  residentBytes?: number[];
}

/** A column that has a ratio. */
interface Column {
  title: string;
  of(row: EdgeRow): number | undefined;
  /** Is a smaller value better? */
  less: boolean;
}

/** Name of the row that the second ratio refers to. */
export const PLAIN_PIPELINE = "plain pipeline";

/**
 * The table and the ratios as lines of text. Every ratio is above 1 where this project's row is the
 * better one.
 */
export function edgeTable(rows: EdgeRow[]): string[] {
  const lengths = [...new Set(rows.flatMap((row) => [...row.ttft.keys()]))].sort((a, b) => a - b);
  const columns: Column[] = [
    ...lengths.map((n): Column => ({
      title: `TTFT ${n}`,
      of: (row) => row.ttft.get(n),
      less: true,
    })),
    { title: "decode", of: (row) => row.decode, less: false },
    { title: "260+64", of: (row) => row.request, less: true },
    // An answer by outline is compared with plain decoding of as many tokens.
    { title: "512 tokens/s", of: (row) => row.answerSpeed ?? row.decode, less: false },
  ];
  const own = rows.filter((row) => row.peer === undefined);
  const even = own.find((row) => row.name === PLAIN_PIPELINE);
  const ratios = own.filter((row) => row.devices > 1).map((row) => [
    row.name,
    ...columns.map((column) => {
      if (skipped(row, column)) return "";
      const alone = bestAlone(own, row, column);
      const base = even && row !== even ? ` / ${times(row, even, column)}` : "";
      return `${alone ? times(row, alone, column) : "-"}${base}`;
    }),
  ]);
  const peers = rows.filter((row) => row.peer !== undefined);
  const beside = peers.flatMap((peer) =>
    own.filter((row) => (row.devices > 1) === (peer.devices > 1)).map((row) => [
      `${row.name} / ${peer.peer} ${peer.name}`,
      ...columns.map((column) => {
        if (skipped(row, column) || column.of(peer) === undefined) return "";
        return times(row, peer, column);
      }),
    ])
  ).filter(([, ...cells]) => cells.some((cell) => cell !== ""));
  const table = (title: string, body: string[][]) =>
    body.length === 0
      ? []
      : ["", title, ...alignRows([["", ...columns.map((c) => c.title)], ...body], [0])];
  return [
    ...alignRows([heading(lengths), ...rows.map((row) => cells(row, lengths))], [0]),
    ...table("ratios: the best of one device in the same mode / the plain pipeline", ratios),
    ...table("ratios: beside the peer in the same run", beside),
  ];
}

/**
 * The best value among the rows of one device that a row must not fall behind: those of its mode,
 * and the plain ones, which anybody can ask for. For `auto` it is the best of all but those with
 * drafts, which come from predictions that requests of `auto` do not have.
 */
function bestAlone(own: EdgeRow[], row: EdgeRow, { of, less }: Column): EdgeRow | undefined {
  const rivals = own.filter((other) =>
    other.devices === 1 && of(other) !== undefined &&
    (other.mode === "plain" || other.mode === row.mode ||
      row.mode === "auto" && other.mode !== "speculation")
  );
  const rank = (other: EdgeRow) => less ? of(other)! : -of(other)!;
  return rivals.toSorted((a, b) => rank(a) - rank(b))[0];
}

/** Whether a row has no figure of its own for a column. */
const skipped = (row: EdgeRow, { title, of }: Column): boolean =>
  of(row) === undefined || (title === "512 tokens/s" && row.answerSpeed === undefined);

function times(row: EdgeRow, base: EdgeRow, { of, less }: Column): string {
  const [value, other] = [of(row)!, of(base)];
  return other === undefined ? "-" : `${(less ? other / value : value / other).toFixed(2)}x`;
}

const heading = (lengths: number[]) => [
  "",
  ...lengths.map((n) => `TTFT ${n}`),
  "decode",
  "260+64",
  "512 answer",
  "tokens/s",
  "bubbles",
  "wasted",
  "B/hop",
  "CPU",
  "resident MB",
];

function cells(row: EdgeRow, lengths: number[]): string[] {
  const seconds = (s: number | undefined) => s === undefined ? "" : `${s.toFixed(2)} s`;
  const percent = (p: number | undefined) => p === undefined ? "" : `${(100 * p).toFixed(0)} %`;
  return [
    row.peer === undefined ? row.name : `${row.peer}: ${row.name}`,
    ...lengths.map((n) => seconds(row.ttft.get(n))),
    row.decode === undefined ? "" : `${row.decode.toFixed(1)}/s`,
    seconds(row.request),
    seconds(row.answer),
    row.answerSpeed?.toFixed(1) ?? "",
    percent(row.bubbles),
    percent(row.wasted),
    row.bytesPerHop === undefined ? "" : row.bytesPerHop.toFixed(0),
    row.cpuS === undefined ? "" : `${row.cpuS.toFixed(0)} s`,
    row.residentBytes?.map((bytes) => (bytes / 1e6).toFixed(0)).join(" ") ?? "",
  ];
}
