/**
 * What a node that can run a member of etcd tells the coordinator's node, and what it is told.
 *
 * @module
 */
import { z } from "zod";
import { registryCertificateSchema } from "../trust/mod.ts";

const url = z.string().max(300).regex(/^https:\/\/[^\s,=/]+:\d{1,5}$/);
const name = z.string().regex(/^[A-Za-z0-9.-]{1,100}$/);
/** Names of members in etcd: int64 as text. */
const id = z.string().regex(/^\d{1,20}$/);

/** A node says what it runs, or could run. Sent every second while that may change. */
export const etcdOfferSchema = z.object({
  /** The same in all lives of the node. */
  name,
  /** Where other members reach it. */
  peerUrl: url,
  /** IP addresses and host names that its certificate must have. */
  hosts: z.array(z.string().min(1).max(255)).min(1).max(64),
  /** The member whose data it has; left out where it has none. */
  memberId: id.optional(),
  /** Its etcd runs. */
  running: z.boolean(),
  /** It needs a new certificate. */
  certificate: z.boolean(),
});
/** See {@linkcode etcdOfferSchema}. */
export type EtcdOffer = z.infer<typeof etcdOfferSchema>;

/** What the coordinator's node answers. */
export const seatAnswerSchema = z.discriminatedUnion("state", [
  z.object({
    /** It is a member: it runs etcd with what follows, over the data of this member alone. */
    state: z.literal("member"),
    memberId: id,
    /** All members, as etcd's `--initial-cluster` has them. */
    initialCluster: z.string().max(4_000),
    /** Where clients reach the members that vote. */
    endpoints: z.array(url).max(16),
    /** Where one was asked for. */
    certificate: registryCertificateSchema.optional(),
  }),
  z.object({
    /** It is no member: data of a member that it was are worthless. */
    state: z.literal("none"),
    /** Why it is none, in words. */
    reason: z.string().max(400),
  }),
]);
/** See {@linkcode seatAnswerSchema}. */
export type SeatAnswer = z.infer<typeof seatAnswerSchema>;
