/**
 * Servers actor: tells nodes whether they run a member of the etcd that Orrery runs itself
 * (`--registry managed`). It runs at the coordinator; on other registries there is none.
 *
 * @module
 */
import { z } from "zod";
import { type Address, address, anyNode, defineActor, type NodeId } from "../system/mod.ts";

const SYSTEM = "orrery";

/** Address of the servers actor, at the coordinator. */
export const SERVERS: Address = address(SYSTEM, "servers", "main");

const url = z.string().max(300).regex(/^https:\/\/[^\s,=/]+:\d{1,5}$/);
const memberName = z.string().regex(/^[A-Za-z0-9.-]{1,100}$/);
/** Names of members in etcd: int64 as text. */
const id = z.string().regex(/^\d{1,20}$/);
const pem = z.string().max(4_000);

/** A certificate with which a server reaches the registry, and shows that it is a server. */
export const registryCertificateSchema = z.object({
  /** What the server trusts, PEM. */
  authority: pem,
  /** The server's certificate, which is good for both ends of a connection, PEM. */
  certificate: pem,
  /** Its key, PKCS #8 in PEM. */
  key: pem,
  /** When it ends, milliseconds since 1970. */
  untilMs: z.number(),
});
/** See {@linkcode registryCertificateSchema}. */
export type RegistryCertificate = z.infer<typeof registryCertificateSchema>;

/** A node says which member of etcd it runs, or that it could run one. */
export const etcdOfferSchema = z.object({
  /** The same in all lives of the node. */
  name: memberName,
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
    /** It votes; false: it only gets the data, and is no server yet. */
    votes: z.boolean(),
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
    /** Where clients reach the members that vote. */
    endpoints: z.array(url).max(16),
  }),
]);
/** See {@linkcode seatAnswerSchema}. */
export type SeatAnswer = z.infer<typeof seatAnswerSchema>;

/** Members of etcd that vote once there are enough nodes. */
export const WANTED_VOTERS = 3;

/** How many members vote, and how many are wanted. */
export interface SeatCount {
  /** Members that vote. */
  voters: number;
  /** Members that should vote. */
  wanted: number;
}

/** Resource `seats` of the {@linkcode serversActor}. */
export interface EtcdSeats {
  /** How many members vote, as far as is known. */
  readonly voters: number;
  /**
   * Answers an offer of a node; undefined: this one. Throws when etcd does not say who its members are, and
   * `registry/refused` for an offer in another node's name.
   */
  offer(offer: EtcdOffer, from: NodeId | undefined): Promise<SeatAnswer>;
}

/** See the module's text. */
export const serversActor = defineActor({
  kind: "servers",
  deployment: SYSTEM,
  config: z.object({}),
  messages: {
    /** How many members vote: a {@linkcode SeatCount}. */
    count: z.object({}),
    /** Answered with a {@linkcode SeatAnswer}. */
    offer: etcdOfferSchema,
  },
  callers: anyNode, // whichever node is asked first may become a server: SECURITY.md says so
  concurrent: ["count", "offer"],
  create(ctx) {
    const seats = ctx.resource<EtcdSeats>("seats");
    return {
      count: (): SeatCount => ({ voters: seats.voters, wanted: WANTED_VOTERS }),
      offer: (offer, meta) => seats.offer(offer, meta.peer),
    };
  },
});
