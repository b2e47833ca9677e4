/**
 * What goes between a node that wants to join, or to renew its certificates, and the first node:
 * HTTP/2 requests on the mailbox's port, with JSON.
 *
 * 1. `GET /join/v1/authority` gives the authority's certificate. The node compares its hash with the
 *    one in its token. It has not checked the server's certificate, and sends nothing.
 * 2. On a second connection, whose certificate that authority must have signed for `join.orrery`,
 *    `POST /join/v1/certificate` sends the token's secret and gets certificates.
 *
 * `GET /join/v1/membership` needs a certificate: a stream of lines, each with all removed identities
 * and the roll of members, whenever one of them has changed. `GET /join/v1/coordinator` needs one
 * too: who coordinates the cluster, as far as the node knows that is asked. Nodes of version 1 of the
 * protocol have neither, but `GET /join/v1/revoked`, whose lines list the removed identities alone.
 *
 * @module
 */
import { z } from "zod";
import { protocolSchema } from "../mailbox/mod.ts";
import { rollSchema } from "./roll.ts";

/** Path of the authority's certificate. */
export const AUTHORITY_PATH = "/join/v1/authority";
/** Path that answers requests for certificates. */
export const CERTIFICATE_PATH = "/join/v1/certificate";
/** Path of the stream of removed identities and rolls. */
export const MEMBERSHIP_PATH = "/join/v1/membership";

/** Path of who coordinates. */
export const COORDINATOR_PATH = "/join/v1/coordinator";
/** The same for nodes of version 1: removed identities alone. */
export const REVOKED_PATH = "/join/v1/revoked";

/** Longest body of a request, bytes; a request has 1 KB. */
export const MAX_REQUEST_BYTES = 8192;
/** Longest answer, and longest line of the stream, characters: 10,000 removed identities, a roll. */
export const MAX_ANSWER_CHARS = 1_100_000;

/** Answer to `GET /join/v1/authority`. */
export const authorityAnswerSchema = z.object({
  authority: z.string().min(1).max(4096),
  /** Versions of the protocol that the first node speaks; undefined: version 1 alone. */
  protocol: protocolSchema.optional(),
});

/** Body of `POST /join/v1/certificate`. */
export const joinRequestSchema = z.strictObject({
  /** PKCS #10, base64. */
  csr: z.string().min(1).max(4096),
  node: z.string().min(1).max(128),
  /** Versions that the node speaks; sent only to a first node that names its own. */
  protocol: protocolSchema.optional(),
  token: z.strictObject({ id: z.string().max(64), secret: z.string().max(128) }).optional(),
});
/** See {@linkcode joinRequestSchema}. */
export type JoinRequest = z.infer<typeof joinRequestSchema>;

/** A line of `GET /join/v1/membership`. */
export const membershipSchema = z.object({
  /** All identities that were removed. */
  revoked: z.array(z.string().max(64)).max(10_000),
  /** The members; undefined: there are too many for a roll. */
  roll: rollSchema.optional(),
});
/** See {@linkcode membershipSchema}. */
export type MembershipNews = z.infer<typeof membershipSchema>;

/** A line of `GET /join/v1/revoked`. */
export const revokedSchema = membershipSchema.shape.revoked;

/** Answer to `POST /join/v1/certificate`. */
export const joinAnswerSchema = membershipSchema.extend({
  client: z.string().max(4096),
  server: z.string().max(4096),
});
/** See {@linkcode joinAnswerSchema}. */
export type JoinAnswer = z.infer<typeof joinAnswerSchema>;

/** Who coordinates: a term as `actors/ownership` has it. */
export const coordinatorSchema = z.object({
  node: z.string().min(1).max(128),
  /** Where its mailbox listens. */
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  /** Number of its term; a later one has a larger number. */
  epoch: z.int().positive(),
});
/** See {@linkcode coordinatorSchema}. */
export type CoordinatorPlace = z.infer<typeof coordinatorSchema>;

/** Answer to `GET /join/v1/coordinator`; without one the node knows of none. */
export const coordinatorAnswerSchema = z.object({ coordinator: coordinatorSchema.optional() });
