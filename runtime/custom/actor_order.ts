/**
 * What a host must know to run a custom actor: its entry of the graph file, checked by the node that
 * read the file, with the module by its SHA-256.
 *
 * @module
 */
import { z } from "zod";
import { MAX_MESSAGE_CHARS } from "../../actors/mod.ts";

const name = z.string().min(1).max(128);
const names = z.array(name).max(1_024);
const texts = z.array(z.string().min(1).max(4_096)).max(256);

/** Schema of an {@linkcode ActorOrder}. */
export const actorOrderSchema = z.object({
  /** Name in the graph, and kind in addresses. */
  name: name.regex(/^[a-z][a-z0-9_-]*$/),
  /** Name of the deployment whose graph it is of; its `graph/model/main` is that one's model. */
  deployment: z.string().max(128).default("default"),
  /** What error messages call the actor: the graph file, the entry's place and its name. */
  label: z.string().max(MAX_MESSAGE_CHARS),
  /** What they call its module: a path at the node with the graph file. */
  module: z.string().max(4_096),
  /** The folder of its files there. */
  folder: z.string().max(4_096),
  /** SHA-256 of the packed module, in hexadecimal digits. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  config: z.record(z.string(), z.unknown()),
  /** Names of the messages that it takes. */
  messages: names,
  /** Messages of these that all nodes may send: those of requests that come in there. */
  open: names,
  /** Does the text of answers pass it on the way to clients? */
  filters: z.boolean(),
  /** Most bytes of the state of one activation as JSON. */
  state_bytes: z.int().positive(),
  /** Most alarms of one activation. */
  alarms: z.int().nonnegative(),
  /** What its workers may reach; paths are absolute. */
  permissions: z.object({ net: texts, read: texts, env: texts }),
  limits: z.object({
    compute_seconds: z.number().positive(),
    answer_seconds: z.number().positive(),
    message_bytes: z.int().positive(),
    memory_bytes: z.int().positive(),
  }),
});

/** See the module's text. */
export type ActorOrder = z.output<typeof actorOrderSchema>;
