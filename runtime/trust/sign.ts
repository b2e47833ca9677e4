/**
 * Makes keys, requests, certificates and signatures (X.509, ECDSA with P-256 and SHA-256).
 *
 * @module
 */
import "reflect-metadata"; // the library below needs it, loaded before itself
import type { X509Certificate as NodeCertificate } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import type { NodeId } from "../../actors/system/mod.ts";
import { type Issued, JOIN_NAME, NODE_URI, serverNameOf, sha256 } from "./certificates.ts";
import { trustError } from "./errors.ts";

/** How all keys here sign. */
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** How long the authority's own certificate is valid, milliseconds. */
const AUTHORITY_MS = 20 * 365 * 24 * 3600_000;
/**
 * Certificates are valid from this long ago, so that a node whose clock is behind believes them.
 * Milliseconds.
 */
const BEHIND_MS = 24 * 3600_000;

/** A private key as a file and as TLS take it (PKCS #8, PEM), and as it signs. */
export interface PrivateKey {
  pem: string;
  keys: CryptoKeyPair;
}

/** A new key. */
export async function createKey(): Promise<PrivateKey> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const der = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { pem: PemConverter.encode(der, "PRIVATE KEY"), keys };
}

/** The key with this text. */
export async function readKey(pem: string): Promise<PrivateKey> {
  const der = PemConverter.decodeFirst(pem);
  const privateKey = await crypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, ALGORITHM, true, [
    "verify",
  ]);
  return { pem, keys: { privateKey, publicKey } };
}

/** SHA-256 of the public key (SPKI, DER), hexadecimal: the identity of the node that has the key. */
export async function identityOfKey({ keys }: PrivateKey): Promise<string> {
  return sha256(new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey)));
}

/** The certificate of a new authority, PEM. */
export function signAuthority(key: PrivateKey): Promise<string> {
  return signAnchor(key, "CN=Orrery cluster");
}

/**
 * The certificate of an authority with this name, PEM. Whoever trusts it believes certificates
 * whose issuer has this very name: so one key can have several names, each for a use of its own.
 */
export async function signAnchor({ keys }: PrivateKey, name: string): Promise<string> {
  const now = Date.now();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(now - BEHIND_MS),
    notAfter: new Date(now + AUTHORITY_MS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return certificate.toString("pem");
}

/** A request for certificates, base64 of PKCS #10: it proves that the sender has the key. */
export async function signRequest({ keys }: PrivateKey, node: NodeId): Promise<string> {
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [node] }],
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return request.toString("base64");
}

/** A request whose signature was checked. */
export interface CheckedRequest {
  /** SHA-256 of the public key, hexadecimal. */
  identity: string;
  publicKey: CryptoKey;
}

/** Reads a request for certificates of `node`. Throws `bad_request` (group `trust`). */
export async function readRequest(base64: string, node: NodeId): Promise<CheckedRequest> {
  try {
    const request = new Pkcs10CertificateRequest(base64);
    const publicKey = await request.publicKey.export(ALGORITHM, ["verify"]);
    const named = request.subjectName.getField("CN");
    if (await request.verify() && named.length === 1 && named[0] === node) {
      return { identity: sha256(new Uint8Array(request.publicKey.rawData)), publicKey };
    }
  } catch {
    // it is answered below
  }
  throw trustError(
    "bad_request",
    "csr is no request that is signed with a P-256 key and names the node",
  );
}

/** What a certificate says that is no authority's. */
export interface LeafContent {
  /** Distinguished name of the authority. */
  issuer: string;
  publicKey: CryptoKey;
  /** Common name. */
  cn: string;
  /** What its holder is called, or where it is reached. */
  names: JsonGeneralName[];
  usages: ExtendedKeyUsage[];
  /** When it ends, milliseconds since 1970. */
  untilMs: number;
}

/** A certificate that is no authority's, PEM. */
export async function signLeaf(
  authority: PrivateKey,
  { issuer, publicKey, cn, names, usages, untilMs }: LeafContent,
): Promise<string> {
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [cn] }],
    issuer,
    publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - BEHIND_MS),
    notAfter: new Date(untilMs),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(usages),
      new SubjectAlternativeNameExtension(names, true),
    ],
  });
  return certificate.toString("pem");
}

/** The certificates of one life of a node. */
export async function signNode(
  authority: PrivateKey,
  authorityPem: string,
  request: { publicKey: CryptoKey; node: NodeId; untilMs: number; takesJoins: boolean },
): Promise<Issued> {
  const { publicKey, node, untilMs, takesJoins } = request;
  const issuer = new X509Certificate(authorityPem).subjectName;
  const sign = (usage: ExtendedKeyUsage, names: JsonGeneralName[], cn: string) =>
    signLeaf(authority, {
      issuer: issuer.toString(),
      publicKey,
      untilMs,
      usages: [usage],
      names,
      cn,
    });
  const hosts = [serverNameOf(node), ...(takesJoins ? [JOIN_NAME] : [])];
  return {
    client: await sign(
      ExtendedKeyUsage.clientAuth,
      [{ type: "url", value: NODE_URI + node }],
      "Orrery node",
    ),
    server: await sign(
      ExtendedKeyUsage.serverAuth,
      hosts.map((value) => ({ type: "dns", value })),
      "Orrery node",
    ),
  };
}

/**
 * A signature of a text, base64 of 64 bytes. The text must begin with what it is for, so that no
 * signature can be used for something else.
 */
export async function signText({ keys }: PrivateKey, text: string): Promise<string> {
  const signature = await crypto.subtle.sign(ALGORITHM, keys.privateKey, utf8(text));
  return Buffer.from(signature).toString("base64");
}

/** Did the holder of this certificate's key sign the text? */
export async function isSigned(
  certificate: NodeCertificate,
  text: string,
  signature: string,
): Promise<boolean> {
  const bytes = Buffer.from(signature, "base64");
  // Other spellings of the same bytes are refused: nobody can change a signature that holds.
  if (bytes.length !== 64 || bytes.toString("base64") !== signature) return false;
  const spki = certificate.publicKey.export({ type: "spki", format: "der" }) as Uint8Array;
  const key = await crypto.subtle.importKey("spki", new Uint8Array(spki), ALGORITHM, false, [
    "verify",
  ]);
  return await crypto.subtle.verify(ALGORITHM, key, new Uint8Array(bytes), utf8(text));
}

const utf8 = (text: string) => new TextEncoder().encode(text);
