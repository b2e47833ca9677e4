/**
 * What a cluster says about itself on the local network.
 *
 * @module
 */
import { isIPv4 } from "node:net";
import { z } from "zod";

/** Version of the fields of the TXT record. */
const VERSION = "1";

/** What a cluster announces. */
export interface ClusterAdvert {
  /** Name of the first node. */
  name: string;
  /** SHA-256 of the authority's certificate (DER), 64 hexadecimal digits. */
  authority: string;
  /** TCP port of the first node's mailbox. */
  port: number;
}

/** A cluster that was found. */
export interface FoundCluster extends ClusterAdvert {
  /** IPv4 address that the announcement came from. */
  host: string;
}

/** A service as multicast DNS tells of it; anybody on the network may have made it up. */
const serviceSchema = z.object({
  port: z.number().int().min(1).max(65535),
  referer: z.object({ address: z.string().refine(isIPv4) }),
  txt: z.object({
    v: z.literal(VERSION),
    ca: z.string().regex(/^[0-9a-f]{64}$/),
    name: z.string().regex(/^[A-Za-z0-9.-]{1,64}$/), // it is printed
  }),
});

/** The fields of the TXT record. */
export function txtOf({ name, authority }: ClusterAdvert): Record<string, string> {
  return { v: VERSION, ca: authority, name };
}

/** The cluster that a service tells of; undefined: it is none, or one of another version. */
export function readAdvert(service: unknown): FoundCluster | undefined {
  const { data } = serviceSchema.safeParse(service);
  return data &&
    { name: data.txt.name, authority: data.txt.ca, port: data.port, host: data.referer.address };
}
