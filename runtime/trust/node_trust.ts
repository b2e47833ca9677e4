/**
 * What a node shows to prove who it is, and its judgement of others: the mailbox's `MailboxTls`. It
 * renews the node's certificates, and keeps the lists of members and of removed identities.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { X509Certificate } from "node:crypto";
import { basename } from "node:path";
import { hasCode, type NodeId } from "../../actors/system/mod.ts";
import {
  type CertifiedNode,
  type Credentials,
  type MailboxTls,
  type OtherRequest,
  PROTOCOL,
  type ProtocolRange,
} from "../mailbox/mod.ts";
import { Authority } from "./authority.ts";
import {
  checkClient,
  checkServer,
  expiryMs,
  fingerprintOf,
  type Issued,
  JOIN_NAME,
  serverNameOf,
} from "./certificates.ts";
import { asAuthority, asMember, type Belonging, type MailboxPlace } from "./belonging.ts";
import { trustError } from "./errors.ts";
import type { KnownIdentity } from "./identities.ts";
import { writeFirstNode } from "./folder.ts";
import { JoinServer } from "./join_server.ts";
import type { CoordinatorPlace, MembershipNews } from "./join_protocol.ts";
import { NodeKey, type OwnCluster } from "./node_key.ts";
import { followMembership } from "./membership_feed.ts";
import type { TrustRecords } from "./records.ts";
import type { Roll } from "./roll.ts";
import { signRequest } from "./sign.ts";
import { formatToken, type JoinToken, parseToken } from "./token.ts";

const log = getLogger(["orrery", "trust"]);

/** Certificates are renewed after this share of their time. */
const RENEW_AT = 2 / 3;
/** Longest time between two looks at whether it is time to renew, milliseconds. */
const LOOK_MS = 60_000;
/** Milliseconds between two looks at the first node's list of identities. */
const IDENTITIES_MS = 1_000;
/** The token that the first node prints: how many nodes it takes in, and for how long. */
const PRINTED_TOKEN = { uses: 100, ttlMs: 24 * 3600_000, note: "printed at the start" };

/**
 * Finds the first node of the cluster whose authority has this SHA-256; undefined: the node has
 * neither a token nor a cluster. Throws `join_failed` (group `cluster`).
 */
export type FindFirst = (authority: string | undefined) => Promise<MailboxPlace>;

/** Options of {@linkcode openTrust}. */
export interface TrustOptions {
  /** Folder of the model store. */
  data: string;
  /** Id of this life of the node: name, port, four hexadecimal digits. */
  node: NodeId;
  /**
   * Where the first node's mailbox listens, or what finds that out; undefined: this is the first
   * node.
   */
  join?: MailboxPlace | FindFirst;
  /** Where the authority of a node that joins nobody is kept. @default files in `data` */
  records?: TrustRecords;
  /** The node's key, which is closed with what this gives. @default that of its name and port */
  key?: NodeKey;
  /** Token to join with; not needed by a node that the cluster knows. */
  token?: string;
  /** First node: how long certificates are valid, milliseconds. @default 24 hours */
  certificateMs?: number;
  /** Versions of the protocol to speak. @default those that this program knows */
  protocol?: ProtocolRange;
}

/** Where a node's certificates come from, and what they are worth. */
export interface NodeTrustOptions extends Belonging {
  /** Id of this life of the node. */
  node: NodeId;
  key: NodeKey;
  /** Request for certificates of this node, see `signRequest`. */
  csr: string;
  /** Versions of the protocol to speak. @default those that this program knows */
  protocol?: ProtocolRange;
  /** Folder of the model store. */
  data: string;
}

/**
 * Gets a node's certificates: the first node's are made here, another node's come from the first
 * node. Throws group `trust`, and `join_failed` (group `cluster`).
 */
export async function openTrust(options: TrustOptions): Promise<NodeTrust> {
  const { data, node, join, records, certificateMs, protocol } = options;
  const token = options.token === undefined ? undefined : parseToken(options.token);
  const key = options.key ?? await NodeKey.open(data, node);
  try {
    const csr = await signRequest(key.key, node);
    if (!join) {
      const authority = await Authority.open({ data, records, create: true, certificateMs });
      const own = await asAuthority(authority, csr, node);
      return new NodeTrust({ node, key, csr, data, protocol, ...own });
    }
    const expected = expectedAuthority(key, token);
    const first = typeof join === "function" ? await join(expected) : join;
    const fingerprint = expected ?? needsToken(first);
    const member = await asMember({ key, csr, node, fingerprint, protocol }, [first], token);
    return new NodeTrust({ node, key, csr, data, protocol, ...member });
  } catch (error) {
    key.close();
    throw error;
  }
}

/** SHA-256 of the authority that a node means to join; undefined: it has no token and no cluster. */
function expectedAuthority(key: NodeKey, token: JoinToken | undefined): string | undefined {
  if (token) return token.authority;
  return key.cluster && fingerprintOf(new X509Certificate(key.cluster.authority));
}

function needsToken({ host, port }: MailboxPlace): never {
  throw trustError(
    "token_required",
    `joining the node at ${host}:${port} needs --token or --token-file: paste the whole command ` +
      "that the first node printed, or make a token with `deno task token create` there",
    { host, port },
  );
}

/** See the module's text. */
export class NodeTrust implements MailboxTls {
  #options: NodeTrustOptions;
  #authorityCertificate: X509Certificate;
  /** The authority that follows, until this node has certificates of it: both are believed. */
  #next?: X509Certificate;
  readonly #joins: JoinServer;
  readonly #listeners = new Set<(change: { revoked: NodeId[] }) => void>();
  /** Node ids that each identity was seen with, in the order in which they were seen first. */
  readonly #seen = new Map<string, Set<NodeId>>();
  readonly #abort = new AbortController();
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #revoked: Set<string>;
  #roll: Roll | undefined;
  /** Ends when what is known of the cluster is stored. */
  #stored: Promise<void> = Promise.resolve();
  #issued: Issued;
  #renewAtMs = 0;
  #expiresMs = 0;
  #renewing?: Promise<void>;
  /** Version of the list of identities that is known here. */
  #identitiesVersion = 0;
  #printed?: Promise<string>;
  /** Where certificates are to be had: the coordinator's mailbox first. */
  #places: readonly MailboxPlace[];
  /** Where this node's mailbox listens. */
  #address?: MailboxPlace;
  /** Answers requests of the mailbox's port that are not about joining. */
  #others: (request: OtherRequest) => boolean = () => false;

  /** Use {@linkcode openTrust}. */
  constructor(options: NodeTrustOptions) {
    this.#options = options;
    this.#authorityCertificate = new X509Certificate(options.authorityPem);
    this.#places = options.first ? [options.first] : [];
    this.#joins = new JoinServer(options.authority, options);
    this.#revoked = new Set(options.news.revoked);
    this.#roll = options.news.roll;
    this.#joins.tell(options.news);
    this.#issued = options.issued;
    this.#schedule();
    const leftMs = this.#expiresMs - Date.now();
    this.#timers.push(setInterval(() => this.#look(), Math.min(LOOK_MS, leftMs / 20)));
    if (options.authority) {
      this.#timers.push(setInterval(() => void this.#readIdentities(), IDENTITIES_MS));
    }
  }

  /** SHA-256 of the certificate of the cluster's authority, hexadecimal. */
  get authority(): string {
    return fingerprintOf(this.#authorityCertificate);
  }

  /** The newest list of the cluster's members, signed by the authority; undefined: none is known. */
  get roll(): Roll | undefined {
    return this.#roll;
  }

  /** What this node knows of its cluster. */
  get known(): OwnCluster {
    const { authorityPem: authority } = this.#options;
    return { authority, revoked: [...this.#revoked], roll: this.#roll };
  }

  /** The node's key. */
  get key(): NodeKey {
    return this.#options.key;
  }

  /** Name of the node's key, which no other running node with this folder has. */
  get name(): string {
    return basename(this.#options.key.path, ".json");
  }

  /** Whether this node has the authority's key: it signs certificates, and takes joins. */
  get signs(): boolean {
    return this.#options.authority !== undefined;
  }

  /** Where this node gets its certificates; undefined: it signs them itself. */
  get first(): MailboxPlace | undefined {
    return this.#places[0];
  }

  /**
   * Notes who coordinates: whoever asks is told, and this node follows that one's lists. `others`:
   * further places where certificates may be had.
   */
  follow(coordinator: CoordinatorPlace, others: readonly MailboxPlace[] = []): void {
    this.#joins.coordinator = coordinator;
    if (!this.signs) this.#places = [coordinator, ...others];
  }

  /** Version of the protocol that the first node and this one spoke when this one joined. */
  get version(): number {
    return this.#options.version?.() ?? PROTOCOL.highest;
  }

  /** When the node's certificates end, in milliseconds since 1970. */
  get expiresMs(): number {
    return this.#expiresMs;
  }

  get client(): Credentials {
    return this.#credentials(this.#issued.client);
  }

  get server(): Credentials {
    return this.#credentials(this.#issued.server);
  }

  #credentials(cert: string): Credentials {
    const { key, authorityPem } = this.#options;
    return { key: key.key.pem, cert, ca: authorityPem + (this.#next?.toString() ?? "") };
  }

  serverName(to?: NodeId): string {
    return to === undefined ? JOIN_NAME : serverNameOf(to);
  }

  checkServer(certificate: Uint8Array, to?: NodeId): void {
    const what = {
      name: this.serverName(to),
      now: Date.now(),
      what: to === undefined ? "the first node" : `node ${to}`,
    };
    const identity = this.#byEither((authority) => checkServer(certificate, authority, what));
    this.#refuseRevoked(identity, to ?? "the first node");
    if (to !== undefined) this.#saw(identity, to);
  }

  certified(certificate: Uint8Array): CertifiedNode {
    const from = this.#byEither((authority) => checkClient(certificate, authority, Date.now()));
    this.#refuseRevoked(from.identity, from.node);
    this.#saw(from.identity, from.node);
    return from;
  }

  /** SHA-256 of the key of a node that has shown a certificate here; undefined: none has. */
  identityOf(node: NodeId): string | undefined {
    for (const [identity, nodes] of this.#seen) if (nodes.has(node)) return identity;
  }

  /**
   * Whether a later life of the same node has shown a certificate here. Connections are taken in the
   * order in which they are made, so the order in which lives are seen first is that of the lives.
   */
  isFormer(node: NodeId): boolean {
    const identity = this.identityOf(node);
    return identity !== undefined && [...this.#seen.get(identity)!].at(-1) !== node;
  }

  /** What a check by the present authority returns, or by the one that follows. */
  #byEither<T>(check: (authority: X509Certificate) => T): T {
    try {
      return check(this.#authorityCertificate);
    } catch (error) {
      if (!this.#next) throw error;
      return check(this.#next);
    }
  }

  answer(request: OtherRequest): boolean {
    return this.#joins.answer(request) || this.#others(request);
  }

  /** Lets `answer` take requests of the mailbox's port that are not about joining. */
  serve(answer: (request: OtherRequest) => boolean): void {
    this.#others = answer;
  }

  subscribe(listener: (change: { revoked: NodeId[] }) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Call it once the mailbox listens: notes where it does, for the command `token`; follows the
   * coordinator's lists of members and of removed identities.
   */
  async listening(address: { host: string; port: number }): Promise<void> {
    this.#address = address;
    const { data, node } = this.#options;
    if (this.signs) return await writeFirstNode(data, { ...address, node });
    const heard = (news: MembershipNews) => this.#heard(news);
    const followed = () => this.signs ? undefined : { ...this.#places[0], version: this.version };
    void followMembership(followed, this, heard, this.#abort.signal);
  }

  /**
   * A token for the next nodes, made at the first call; undefined: this node does not have the
   * authority's key, without which it makes no tokens.
   */
  joinToken(): Promise<string> | undefined {
    const { authority } = this.#options;
    if (!authority) return undefined;
    return this.#printed ??= authority.tokens.create(PRINTED_TOKEN)
      .then((made) => formatToken({ authority: authority.fingerprint, ...made }));
  }

  /** The nodes that were ever taken in; undefined: this node has no list of them. */
  identities(): Promise<KnownIdentity[]> | undefined {
    return this.#options.authority?.identities.list();
  }

  /** On a node that has the authority's key: notes that a node has left, see `Identities.left`. */
  async left(node: NodeId): Promise<void> {
    await this.#options.authority?.identities.left(node);
  }

  /** On a node that has the authority's key: removes a node by its whole identity, and cuts its links. */
  async removeIdentity(identity: string): Promise<void> {
    const authority = this.#options.authority!;
    await authority.identities.remove(identity);
    this.#heard(await authority.news());
  }

  /** Gets new certificates now; connections that are open go on. Throws as {@linkcode openTrust}. */
  renew(): Promise<void> {
    return this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined);
  }

  /** Gets new certificates if the ones at hand have expired. */
  async renewExpired(): Promise<void> {
    if (Date.now() >= this.#expiresMs) await this.renew();
  }

  /**
   * Another authority follows the present one: believes both until it has certificates of the new
   * one, which it gets at `place` by its own key, without a token. Throws as {@linkcode openTrust};
   * call it again then.
   */
  async move(authorityPem: string, place: MailboxPlace): Promise<void> {
    this.#next = new X509Certificate(authorityPem);
    this.#tell([]);
    const { key, csr, node, protocol } = this.#options;
    const fingerprint = fingerprintOf(this.#next);
    await this.#stored; // what it knew of the old one must not be stored later than the new one
    this.#enter(await asMember({ key, csr, node, fingerprint, protocol }, [place]));
  }

  /**
   * The authority in these records, or in this node's folder, is that of the cluster now: it signs
   * with it from now on.
   */
  async lead(records?: TrustRecords): Promise<void> {
    const { data, csr, node } = this.#options;
    const authority = await Authority.open({ data, records });
    this.#enter(await asAuthority(authority, csr, node));
    this.#timers.push(setInterval(() => void this.#readIdentities(), IDENTITIES_MS));
    if (this.#address) await writeFirstNode(data, { ...this.#address, node });
  }

  #enter(membership: Belonging): void {
    const nothing = { authority: undefined, first: undefined, version: undefined };
    this.#options = { ...this.#options, ...nothing, ...membership };
    const { authorityPem, issued, news, first, authority } = this.#options;
    this.#authorityCertificate = new X509Certificate(authorityPem);
    this.#next = undefined;
    this.#places = first ? [first] : [];
    this.#issued = issued;
    this.#printed = undefined;
    this.#schedule();
    for (const identity of news.revoked) this.#revoked.add(identity);
    this.#roll = news.roll;
    this.#joins.authority = authority;
    this.#joins.coordinator = undefined;
    this.#joins.tell({ revoked: [...this.#revoked], roll: this.#roll });
    this.#tell([]);
  }

  /** Ends the timers, and lets other nodes have the key. */
  close(): void {
    this.#abort.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#joins.close();
    this.#options.key.close();
  }

  async #renew(): Promise<void> {
    const options = this.#options;
    const { issued, news } = await options.renew(this.#places).catch((error) => {
      if (hasCode(error, "revoked")) this.#abort.abort(error); // nobody tells it anything any more
      throw error;
    });
    if (this.#options !== options) return; // it has moved to another authority meanwhile
    this.#issued = issued;
    this.#schedule();
    log.info("node {node} has new certificates, valid until {until}", {
      node: this.#options.node,
      until: new Date(this.#expiresMs).toISOString(),
    });
    this.#tell([]);
    this.#heard(news);
  }

  #schedule(): void {
    const now = Date.now();
    this.#expiresMs = expiryMs(this.#issued.server);
    this.#renewAtMs = now + (this.#expiresMs - now) * RENEW_AT;
  }

  #look(): void {
    if (Date.now() < this.#renewAtMs) return;
    this.renew().catch((error) =>
      log.warn("cannot renew the certificates, which end at {until}; trying again: {message}", {
        until: new Date(this.#expiresMs).toISOString(),
        message: (error as Error).message,
      })
    );
  }

  async #readIdentities(): Promise<void> {
    const authority = this.#options.authority!;
    try {
      const version = await authority.version();
      if (version === this.#identitiesVersion) return;
      this.#heard(await authority.news());
      this.#identitiesVersion = version;
    } catch (error) {
      log.warn("cannot read who was removed: {message}", { message: (error as Error).message });
    }
  }

  #heard({ revoked, roll }: MembershipNews): void {
    // A node that was removed stays so, whatever a later list says.
    const fresh = revoked.filter((identity) => !this.#revoked.has(identity));
    for (const identity of fresh) this.#revoked.add(identity);
    const newer = roll !== undefined && roll.authority === this.authority &&
      roll.number > (this.#roll?.number ?? 0);
    if (newer) this.#roll = roll;
    if (fresh.length === 0 && !newer) return;
    this.#joins.tell({ revoked: [...this.#revoked], roll: this.#roll });
    if (!this.signs) this.#store();
    if (fresh.length > 0) {
      this.#tell(fresh.flatMap((identity) => [...this.#seen.get(identity) ?? []]));
    }
  }

  /** Stores what a member knows of its cluster. */
  #store(): void {
    const { key, authorityPem: authority } = this.#options;
    this.#stored = this.#stored
      .then(() => key.setCluster({ authority, revoked: [...this.#revoked], roll: this.#roll }))
      .catch((error) =>
        log.warn("cannot store who belongs to the cluster: {message}", { message: error.message })
      );
  }

  #tell(revoked: NodeId[]): void {
    for (const listener of this.#listeners) listener({ revoked });
  }

  #refuseRevoked(identity: string, node: NodeId): void {
    if (!this.#revoked.has(identity)) return;
    throw trustError("revoked", `node ${node} was removed from the cluster`, { identity });
  }

  #saw(identity: string, node: NodeId): void {
    let nodes = this.#seen.get(identity);
    if (!nodes) this.#seen.set(identity, nodes = new Set());
    nodes.add(node);
  }
}
