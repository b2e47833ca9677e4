/**
 * What a node says of itself and of its links to others when its cluster examines it. The judgement
 * of these facts is made where somebody asked for them (`runtime/doctor`).
 *
 * @module
 */
import { z } from "zod";
import { type Member, memberSchema } from "./deployment.ts";

/** Longest text of a fault, characters. */
const FAULT_CHARS = 2048;
/** Most members that are examined together. */
export const MOST_EXAMINED = 1024;

const bytes = z.number().nonnegative();
const name = z.string().max(128);

/** Something that is wrong, and what to do about it. */
export const faultSchema = z.object({
  /** What it is about, one word: `disk`, `permissions`. */
  about: z.string().max(32),
  /** What is wrong, and which value it has. */
  what: z.string().max(FAULT_CHARS),
  /** What the user can do. */
  remedy: z.string().max(FAULT_CHARS),
});
/** See {@linkcode faultSchema}. */
export type Fault = z.infer<typeof faultSchema>;

/** Schema of how a node reaches another one. */
export const peerReachSchema = z.discriminatedUnion("state", [
  z.object({
    state: z.literal("reached"),
    node: name,
    /** Shortest round trip of a small message, milliseconds. */
    round_trip_ms: z.number().nonnegative(),
    /** What the other node's clock shows beyond this node's, milliseconds; null: it cannot tell. */
    clock_ms: z.number().nullable(),
    /** The difference of the clocks is right to so many milliseconds. */
    clock_error_ms: z.number().nonnegative(),
  }),
  z.object({ state: z.literal("unreachable"), node: name, why: z.string().max(FAULT_CHARS) }),
]);
/** How a node reaches another one, see {@linkcode peerReachSchema}. */
export type PeerReach = z.infer<typeof peerReachSchema>;

/** Schema of what a node says of itself. */
export const examinationSchema = z.object({
  /** Version of the program. */
  program: z.string().max(64),
  /** Versions of the mailbox's protocol that it speaks. */
  protocol: z.object({ lowest: z.number().int(), highest: z.number().int() }),
  /** Seconds until its certificates end. */
  certificate_s: z.number(),
  /** The file system of `--data`; null: it cannot be asked. */
  disk: z.object({ free_bytes: bytes, total_bytes: bytes }).nullable(),
  memory: z.object({
    /** What the machine has left. */
    available_bytes: bytes,
    /** What the node's process holds. */
    process_bytes: bytes,
    /** What its stages, shards and drafter were given: weights and arenas. */
    stages_bytes: bytes,
    /** `--memory`; null: what is free. */
    limit_bytes: bytes.nullable(),
  }),
  /** The registry as this node reaches it; null: the cluster has none. */
  registry: z.object({
    /** `embedded`, `denokv`, `etcd`; `asked`: the node asks the one that has opened it. */
    kind: z.string().max(64),
    /**
     * How long four conditional writes and a reading took, or, where the node asks another, a
     * reading alone. Milliseconds; null: it failed.
     */
    test_ms: z.number().nonnegative().nullable(),
  }).nullable(),
  /** Clusters on the local network: whether this node announces its own or looks for it, or neither. */
  discovery: z.enum(["announces", "looks", "off"]),
  /** Whether it found its own cluster there just now. */
  discovered: z.boolean(),
  /** What the node itself found wrong. */
  faults: z.array(faultSchema).max(64),
  /** How it reaches the other members. */
  peers: z.array(peerReachSchema).max(MOST_EXAMINED),
});
/** See {@linkcode examinationSchema}. */
export type Examination = z.infer<typeof examinationSchema>;

/** Fields of the message by which a node is examined. */
export const examineSchema = z.object({
  /** The other members, whose clocks and round trips it measures. */
  peers: z.array(memberSchema).max(MOST_EXAMINED),
});

/** Resource `examiner` of a member actor: examines its node. */
export interface Examiner {
  /** Examines the node, and how it reaches these members. Rejects with the signal's reason. */
  examine(peers: Member[], signal: AbortSignal): Promise<Examination>;
}
