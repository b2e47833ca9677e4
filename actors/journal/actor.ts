/**
 * The journal of a node as other nodes reach it: keeps copies of their requests, and tells the
 * records of its own.
 *
 * @module
 */
import { z } from "zod";
import { keyAt, nodeKey, SYSTEM } from "../cluster/mod.ts";
import {
  type Address,
  address,
  anyNode,
  type CallerRule,
  defineActor,
  fieldOf,
  type NodeId,
} from "../system/mod.ts";
import {
  type AppendedMessage,
  type AppendMessage,
  appendSchema,
  locateSchema,
  type ReadAnswer,
  readSchema,
} from "./messages.ts";

/** Address of the journal of a node. */
export const journalAddress = (node: NodeId): Address =>
  address(SYSTEM, "journal", keyAt(node, "main"));

/** What a journal actor works with: resource `journal`. */
export interface JournalDuties {
  /** Keeps what the requests of another node have added. */
  append(message: AppendMessage): AppendedMessage;
  /** Whether this node goes on with a request, or has a copy of it. */
  locate(id: string): "own" | "held" | "unknown";
  /** Records of a request that this node goes on with. */
  readOwn(read: z.output<typeof readSchema>, signal: AbortSignal): Promise<ReadAnswer>;
}

/** A node speaks for its own requests alone. */
const ofItself: CallerRule = {
  who: "the node whose requests they are",
  allows: ({ peer, body, to }) => fieldOf(body, "origin") === peer && nodeKey(to)?.node !== peer,
};

/** See the module's text. Resource: `journal` ({@linkcode JournalDuties}). */
export const journalActor = defineActor({
  kind: "journal",
  config: z.object({}),
  messages: { append: appendSchema, locate: locateSchema, read: readSchema },
  callers: { append: ofItself, locate: anyNode, read: anyNode },
  concurrent: ["read"],
  policy: { mailbox: 256, crashIsAnswer: true },
  create(ctx) {
    const journal = ctx.resource<JournalDuties>("journal");
    return {
      append: (message) => journal.append(message),
      locate: ({ id }) => ({ state: journal.locate(id) }),
      read: (message, { signal }) => journal.readOwn(message, signal),
    };
  },
});
