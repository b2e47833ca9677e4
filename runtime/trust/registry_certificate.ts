/**
 * Certificates with which the etcd members that Orrery runs, and their clients, know each other.
 *
 * They are signed with the key of the cluster's authority under another name, `CN=Orrery registry`,
 * and etcd trusts that name alone: a certificate of a node, which `CN=Orrery cluster` signed, opens
 * nothing there. So only who has the authority's key, or was given such a certificate, can reach
 * the registry.
 *
 * @module
 */
import "reflect-metadata"; // the library below needs it, loaded before itself
import { ExtendedKeyUsage } from "@peculiar/x509";
import { isIP } from "node:net";
import type { RegistryCertificate } from "../../actors/mod.ts";
import { createKey, readKey, signAnchor, signLeaf } from "./sign.ts";

/** Name of the authority's key for this use. */
const ISSUER = "CN=Orrery registry";
/** How long a certificate is valid, milliseconds. */
const CERTIFICATE_MS = 24 * 3600_000;

/** Options of {@linkcode signRegistryServer}. */
export interface RegistryCertificateOptions {
  /** IP addresses and host names at which the server is reached, and from which it calls others. */
  hosts: string[];
  /** Milliseconds for which it is valid. @default 24 hours */
  validMs?: number;
}

/** A new key with a certificate of the authority whose key this is (PKCS #8, PEM). */
export async function signRegistryServer(
  authorityKey: string,
  { hosts, validMs = CERTIFICATE_MS }: RegistryCertificateOptions,
): Promise<RegistryCertificate> {
  const authority = await readKey(authorityKey);
  const { pem: key, keys } = await createKey();
  const untilMs = Date.now() + validMs;
  const names = hosts.map((value) => ({
    type: isIP(value) ? "ip" as const : "dns" as const,
    value,
  }));
  const certificate = await signLeaf(authority, {
    issuer: ISSUER,
    publicKey: keys.publicKey,
    cn: "Orrery registry server",
    names,
    usages: [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth],
    untilMs,
  });
  return {
    authority: await signAnchor(authority, ISSUER),
    certificate,
    key,
    untilMs,
  };
}
