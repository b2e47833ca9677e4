/**
 * The files of a node's member of etcd that others than its process read: what is noted of it, and
 * the certificate that opens etcd. `local_member.ts` names all of them.
 *
 * @module
 */
import { join } from "node:path";
import { z } from "zod";
import type { EtcdAddress } from "../registry/mod.ts";
import { RecordFile } from "../trust/mod.ts";

/**
 * Milliseconds that a member may take to answer: what was sent to a leader that has just died is
 * answered by nobody, and an election takes about as long.
 */
const TRY_MS = 500;
/** Schema of `member.json`. */
const fileSchema = z.object({
  /** Ports of this node's etcd, which stay the same. */
  ports: z.object({ peers: z.int(), clients: z.int() }).optional(),
  member: z.object({
    /** etcd's name of the member; left out while a new cluster has not answered yet. */
    id: z.string().optional(),
    initialCluster: z.string(),
    existing: z.boolean(),
    /** Of a new cluster: keeps it apart from any other one. */
    cluster: z.string().default(""),
    /** etcd has written data: a member without them would forget whom it voted for. */
    began: z.boolean().default(false),
  }).optional(),
  /** Where clients reached the members that vote, when this node was told last. */
  endpoints: z.array(z.string()).default([]),
  /** When the certificate ends, milliseconds since 1970. */
  certificateUntilMs: z.number().default(0),
});
/** What `member.json` says. */
export type MemberFile = z.infer<typeof fileSchema>;

/** What is noted of the member in this folder. */
export const memberFile = (folder: string): RecordFile<MemberFile> =>
  new RecordFile(
    join(folder, "member.json"),
    fileSchema,
    () => ({ endpoints: [], certificateUntilMs: 0 }),
  );

/** Where a file of its TLS lies. */
export const tlsPath = (folder: string, file: string): string => join(folder, "tls", file);

/** How whoever has the member's folder reaches etcd at these base URLs. */
export function etcdAddress(folder: string, endpoints: string[]): EtcdAddress {
  const server = tlsPath(folder, "server.pem");
  return {
    endpoints,
    caFile: tlsPath(folder, "authority.pem"),
    certFile: server,
    keyFile: server,
    prefix: "orrery/",
    tryMs: TRY_MS,
  };
}
