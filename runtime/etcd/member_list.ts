/**
 * The members of an etcd: reads and changes the list by the JSON gateway.
 *
 * @module
 */
import { z } from "zod";
import type { EtcdClient } from "../registry/mod.ts";

/** Milliseconds for one change. */
const CHANGE_MS = 5_000;
/** Milliseconds for one reading. */
export const READ_MS = 1_000;

const memberSchema = z.object({
  ID: z.string(),
  name: z.string().default(""),
  peerURLs: z.array(z.string()).default([]),
  clientURLs: z.array(z.string()).default([]),
  isLearner: z.boolean().default(false),
});
const listSchema = z.object({ members: z.array(memberSchema).default([]) });

/** A member as etcd lists it. */
export interface ListedMember {
  id: string;
  /** Empty until it was started. */
  name: string;
  peerUrls: string[];
  /** Empty until it was started. */
  clientUrls: string[];
  /** It gets all data and has no vote. */
  learner: boolean;
}

/** See the module's text. Every call throws when etcd refuses it or nobody answers in time. */
export class MemberList {
  readonly #client: EtcdClient;

  constructor(client: EtcdClient) {
    this.#client = client;
  }

  /** The members as the majority knows them now. */
  async read(): Promise<ListedMember[]> {
    for (;;) {
      const { member } = this.#client;
      // etcd 3.4 lists what one member knows. Reading a key first makes sure that it is up to date.
      await this.#call("/v3/kv/range", { key: "AA==" }, z.object({}), READ_MS);
      const { members } = await this.#call("/v3/cluster/member/list", {}, listSchema, READ_MS);
      if (member !== this.#client.member) continue; // two members answered
      return members.map(({ ID, name, peerURLs, clientURLs, isLearner }) => ({
        ...{ id: ID, name, peerUrls: peerURLs, clientUrls: clientURLs, learner: isLearner },
      }));
    }
  }

  /** Adds a member that gets the data first and has no vote until it is promoted. */
  async addLearner(peerUrl: string): Promise<void> {
    await this.#call("/v3/cluster/member/add", { peerURLs: [peerUrl], isLearner: true });
  }

  /** Gives a learner its vote. Fails until it has nearly all data. */
  async promote(id: string): Promise<void> {
    await this.#call("/v3/cluster/member/promote", { ID: id });
  }

  /** Takes a member out; etcd refuses it where too few would be left. */
  async remove(id: string): Promise<void> {
    await this.#call("/v3/cluster/member/remove", { ID: id });
  }

  /** Notes that a member is reached elsewhere now. */
  async update(id: string, peerUrl: string): Promise<void> {
    await this.#call("/v3/cluster/member/update", { ID: id, peerURLs: [peerUrl] });
  }

  /** Id of the member that leads, as the one knows that answers; "0": nobody leads. */
  async leader(): Promise<string> {
    const schema = z.object({ leader: z.string().default("0") });
    return (await this.#call("/v3/maintenance/status", {}, schema, READ_MS)).leader;
  }

  /** Lets another member lead. The one that leads must be asked. */
  async giveLead(to: string): Promise<void> {
    await this.#call("/v3/maintenance/transfer-leadership", { targetID: to });
  }

  #call<T = unknown>(
    path: string,
    body: unknown,
    schema: z.ZodType<T> = z.unknown() as z.ZodType<T>,
    ms = CHANGE_MS,
  ): Promise<T> {
    return this.#client.call(path, body, { schema, signal: AbortSignal.timeout(ms) });
  }
}
