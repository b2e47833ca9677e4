/**
 * What the edge benchmark asks of a peer, another program that runs the same model on the same
 * emulated devices, and what the peer answers. Both are JSON: the request comes on the peer's
 * standard input, the answer is the last line of its standard output.
 *
 * @module
 */
import { z } from "zod";
import type { EdgeRow } from "./table.ts";

const count = z.int().positive();

/** What a peer is asked to measure. */
export const peerRequestSchema = z.object({
  fleet: z.object({
    name: z.string(),
    /** Cores of each device, for example 0.45. */
    cores: z.array(z.number().positive()).min(1),
    /** Rate of each link in megabits a second. */
    mbit: z.number(),
    /** Period of the processor quota in microseconds. */
    period_us: count,
  }),
  /** The devices, which exist already; none of them runs anything else meanwhile. */
  devices: z.array(z.object({
    /** IP address of the device, in its own network. */
    address: z.string(),
    /** Command, in front of the peer's own, that runs it on the device within its quota. */
    command: z.array(z.string()).min(1),
    /** Environment that this command needs. */
    env: z.record(z.string(), z.string()),
  })).min(1),
  model: z.object({
    name: z.string(),
    /** Folder in which the peer may keep its form of the model for the next run. */
    data: z.string(),
    /** Counts of the model, as in config.json. */
    shape: z.object({
      hidden: count,
      layers: count,
      heads: count,
      kvHeads: count,
      intermediate: count,
      vocab: count,
      chain: z.boolean().optional(),
    }),
  }),
  /** Lengths in tokens. Each prompt must be a new one, of random tokens. */
  measure: z.object({
    ttft_prompts: z.array(count),
    decode: z.object({ prompt: count, tokens: count }),
    request: z.object({ prompt: count, tokens: count }),
  }),
  /** How often each figure is measured; the answer has the medians. */
  repeats: count,
});

/** See {@linkcode peerRequestSchema}. */
export type PeerRequest = z.infer<typeof peerRequestSchema>;

const figure = z.number().positive().optional();

/** What a peer answers. Every figure but the names may be left out. */
export const peerAnswerSchema = z.strictObject({
  /** Name and version of the program. */
  peer: z.string().min(1),
  rows: z.array(z.strictObject({
    name: z.string().min(1),
    /** Devices that took part. */
    devices: count,
    mode: z.enum(["plain", "speculation", "outline", "outline 16", "auto"]).default("plain"),
    /** Seconds to the first token, by the prompt's length in tokens. */
    ttft_s: z.record(z.string().regex(/^\d+$/), z.number().positive()).default({}),
    /** Tokens a second after the first one. */
    decode_tokens_per_s: figure,
    /** Seconds for the whole request. */
    request_s: figure,
    /** Tokens a second of a long answer. */
    answer_tokens_per_s: figure,
    /** Resident memory of the process on each device, in bytes. */
    resident_bytes: z.array(z.number().nonnegative()).optional(),
  })).min(1),
  /** Remarks, printed below the table. */
  notes: z.array(z.string()).default([]),
});

/** See {@linkcode peerAnswerSchema}. */
export type PeerAnswer = z.infer<typeof peerAnswerSchema>;

/**
 * Runs a peer's command with `sh -c` and returns its answer. Its standard error goes to the
 * terminal. Throws an Error that says what is wrong: the command failed, ran longer than `signal`
 * allows, or its last line is no such answer.
 */
export async function askPeer(
  command: string,
  request: PeerRequest,
  signal: AbortSignal,
): Promise<PeerAnswer> {
  const child = new Deno.Command("sh", {
    args: ["-c", command],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    signal,
  }).spawn();
  const writer = child.stdin.getWriter();
  // A command that reads nothing may have ended already; its status then says what went wrong.
  await writer.write(new TextEncoder().encode(JSON.stringify(request) + "\n")).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout } = await child.output();
  if (signal.aborted) throw new Error(`--peer ${command} did not end in time`);
  if (code !== 0) throw new Error(`--peer ${command} ended with status ${code}`);
  return readPeerAnswer(new TextDecoder().decode(stdout), command);
}

/** Reads a peer's answer from the last line of what it printed. Throws an Error that says why not. */
export function readPeerAnswer(printed: string, command: string): PeerAnswer {
  const line = printed.trimEnd().split("\n").at(-1)!;
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error(`--peer ${command}: its last line is no JSON: "${line.slice(0, 200)}"`);
  }
  const { success, data, error } = peerAnswerSchema.safeParse(json);
  if (!success) throw new Error(`--peer ${command}: ${z.prettifyError(error)}`);
  return data;
}

/** The rows of a peer's answer for the benchmark's table. */
export function peerRows({ peer, rows }: PeerAnswer): EdgeRow[] {
  return rows.map((row) => ({
    name: row.name,
    devices: row.devices,
    mode: row.mode,
    peer,
    ttft: new Map(Object.entries(row.ttft_s).map(([length, s]) => [Number(length), s])),
    decode: row.decode_tokens_per_s,
    request: row.request_s,
    answerSpeed: row.answer_tokens_per_s,
    residentBytes: row.resident_bytes,
  }));
}
