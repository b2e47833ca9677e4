/**
 * The registry of a cluster that runs its own etcd, as one node has part in it.
 *
 * A node is a *server* once its member of etcd votes: it opens the registry itself and has the
 * authority's key, of which it keeps a copy, since after a power cut it must make certificates for
 * etcd before anybody can read the registry. Every other node asks the coordinator once a second
 * whether it is to run a member.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { join } from "node:path";
import { z } from "zod";
import {
  COORDINATOR_KEY,
  type EtcdOffer,
  type EtcdSeats,
  hasCode,
  type NodeId,
  type Registry,
  registryClosed,
  registryError,
  type SeatAnswer,
  type SeatCount,
} from "../../actors/mod.ts";
import { EtcdClient, EtcdRegistry, pause } from "../registry/mod.ts";
import {
  type KnownIdentity,
  RecordFile,
  registryRecords,
  signRegistryServer,
} from "../trust/mod.ts";
import { etcdVersion } from "./etcd_program.ts";
import { LocalMember, memberName } from "./local_member.ts";
import { EtcdMembers, type EtcdMembersOptions } from "./members.ts";

const log = getLogger(["orrery", "registry"]);

/** Milliseconds between two offers. */
const OFFER_MS = 1_000;
/** Between two questions while the registry is another one, or this node has no etcd. */
const IDLE_MS = 30_000;
/** Milliseconds between two lines that say that etcd does not answer yet. */
const SAY_MS = 10_000;
/** Milliseconds for one try to read the registry at the start. */
const TRY_MS = 2_000;

/** Schema of a server's `authority.json`. */
export const serverKeySchema = z.object({
  /** The authority's key and certificate, PEM. */
  authority: z.object({ key: z.string(), certificate: z.string() }).optional(),
});
/** The key and certificate of a cluster's authority, PEM. */
export type AuthorityKey = NonNullable<z.infer<typeof serverKeySchema>["authority"]>;

/** Options of {@linkcode ManagedRegistry.open}. */
export interface ManagedRegistryOptions {
  /** The data folder. */
  data: string;
  /** Id of this life of the node. */
  node: NodeId;
  /** SHA-256 of the node's public key. */
  identity: string;
  /** Address to listen on. */
  host: string;
  /** Tells the address or host name that others are told, when it is needed first. */
  advertise: () => string;
  /** Port of the node's mailbox: etcd takes the two after it, if they are free. */
  mailboxPort: number;
}

/** What {@linkcode ManagedRegistry.offers} needs. */
export interface OfferOptions {
  /** Asks the coordinator how many members vote; `unknown_kind`: the registry is another one. */
  count(signal: AbortSignal): Promise<SeatCount>;
  /** Sends it an offer. */
  ask(offer: EtcdOffer, signal: AbortSignal): Promise<SeatAnswer>;
  /** Called once this node has become a server. */
  onServer?(registry: Registry, authority: AuthorityKey): Promise<void>;
  /** Milliseconds between two offers. @default 1000 */
  offerMs?: number;
}

/** Options of {@linkcode ManagedRegistry.coordinate}. */
export interface CoordinateOptions
  extends Pick<EtcdMembersOptions, "clock" | "goneMs" | "freshMs" | "lookMs"> {
  /** The nodes that were ever taken in. */
  identities(): Promise<KnownIdentity[]>;
}

/** See the module's text. */
export class ManagedRegistry {
  readonly #member: LocalMember;
  readonly #file: RecordFile<z.infer<typeof serverKeySchema>>;
  readonly #closing = new AbortController();
  #authority: AuthorityKey | undefined;
  #registry: EtcdRegistry | undefined;
  #offering: Promise<void> | undefined;
  /** This machine has an etcd that can be used. */
  #able = false;
  #said = false;

  private constructor(
    member: LocalMember,
    file: RecordFile<z.infer<typeof serverKeySchema>>,
    authority: AuthorityKey | undefined,
  ) {
    this.#member = member;
    this.#file = file;
    this.#authority = authority;
    if (authority) member.signsItself((hosts) => signRegistryServer(authority.key, { hosts }));
  }

  /** Reads what this node was; nothing is started yet. Throws `file_broken` (group `trust`). */
  static async open(options: ManagedRegistryOptions): Promise<ManagedRegistry> {
    const { data, node, identity, host, advertise, mailboxPort } = options;
    const folder = join(data, "registry", "etcd");
    const name = memberName(node, identity);
    const member = await LocalMember.open({
      ...{ folder, name, host, advertise },
      ports: mailboxPort === 0 ? undefined : { peers: mailboxPort + 1, clients: mailboxPort + 2 },
    });
    const file = new RecordFile(join(folder, name, "authority.json"), serverKeySchema, () => ({}));
    return new ManagedRegistry(member, file, (await file.read()).authority);
  }

  /** Id of its etcd's process; undefined while none runs. */
  get pid(): number | undefined {
    return this.#member.pid;
  }

  /** Ports of its etcd; undefined while none runs. */
  get ports(): { peers: number; clients: number } | undefined {
    return this.#member.ports;
  }

  /** The member whose data this node has; undefined: it has none. */
  get memberId(): string | undefined {
    return this.#member.offer.memberId;
  }

  /** The authority's key, as this server keeps it; undefined: this node is no server. */
  get authority(): AuthorityKey | undefined {
    return this.#authority;
  }

  /** This node opens the registry itself. */
  get server(): boolean {
    return this.#authority !== undefined;
  }

  /**
   * Opens the registry at a server; `authority` makes this node the first server of a new cluster,
   * if it is none yet. It waits for the other members, as long as it takes.
   *
   * Throws `registry/no_etcd`, and the signal's reason.
   */
  async start(
    { authority, signal }: { authority: AuthorityKey; signal?: AbortSignal },
  ): Promise<Registry> {
    const ended = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    await etcdVersion();
    const known = this.server;
    await this.#keepAuthority(authority);
    // Without a member it was replaced: then the others have the registry.
    if (!await this.#member.resume() && !known) await this.#member.bootstrap(ended);
    const registry = await this.#open();
    await this.#untilItAnswers(registry, ended);
    return registry;
  }

  /**
   * Asks the coordinator, again and again, whether this node is to run a member of etcd, and does
   * what it says. A node without etcd says so in the log, if the cluster could use it.
   */
  offers(options: OfferOptions): void {
    this.#offering ??= this.#offer(options);
  }

  /** Speaks to the members, with `own` to this node's alone. Whoever asks for it closes it. */
  client({ own = false } = {}): Promise<EtcdClient> {
    const { address, clientUrl } = this.#member;
    return EtcdClient.open(own ? { ...address, endpoints: [clientUrl] } : address);
  }

  /** The coordinator's part, from its election to `close`. */
  async coordinate(
    { identities, ...timing }: CoordinateOptions,
  ): Promise<{ seats: EtcdSeats; close(): Promise<void> }> {
    const client = await this.client();
    const { memberId: id } = this;
    const own = id === undefined ? undefined : { id, client: await this.client({ own: true }) };
    const members = new EtcdMembers({
      ...{ client, own, ...timing },
      sign: (hosts) => signRegistryServer(this.#authority!.key, { hosts }),
      async removed() {
        const gone = (await identities()).filter(({ removed_ms }) => removed_ms !== undefined);
        return gone.map(({ node, identity }) => memberName(node, identity));
      },
    });
    return {
      seats: {
        get voters() {
          return members.voters;
        },
        offer: async (offer, from) => {
          if (from !== undefined) await checkName(offer, from, identities);
          return await members.offer(offer);
        },
      },
      async close() {
        await members.close();
        client.close();
        own?.client.close();
      },
    };
  }

  /** Closes the registry, and stops this node's etcd. */
  async close(): Promise<void> {
    this.#closing.abort(registryClosed());
    await this.#offering;
    await this.#registry?.close();
    await this.#member.close();
  }

  async #keepAuthority(authority: AuthorityKey): Promise<void> {
    this.#authority = authority;
    await this.#file.update((value) => void (value.authority = authority));
    this.#member.signsItself((hosts) => signRegistryServer(authority.key, { hosts }));
  }

  async #open(): Promise<EtcdRegistry> {
    return this.#registry ??= await EtcdRegistry.open(this.#member.address);
  }

  async #untilItAnswers(registry: Registry, signal: AbortSignal): Promise<void> {
    for (let began = performance.now();;) {
      try {
        await registry.get(COORDINATOR_KEY, { deadlineMs: TRY_MS, signal });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!hasCode(error, "unavailable")) throw error;
        if (performance.now() - began < SAY_MS) continue;
        began = performance.now();
        log.warn(
          "waiting for the other members of etcd, of which more than half must run: {message}",
          {
            message: (error as Error).message,
          },
        );
      }
    }
  }

  async #offer({ count, ask, onServer, offerMs = OFFER_MS }: OfferOptions): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      let waitMs = offerMs;
      try {
        this.#able ||= await this.#canRun(await count(signal));
        if (this.#able) {
          const answer = await ask(this.#member.offer, signal);
          const endpoints = await this.#member.take(answer);
          if (endpoints) this.#registry?.follow(endpoints);
          const votes = answer.state === "member" && answer.votes;
          if (votes && !this.server) await this.#becomeServer(onServer);
        } else waitMs = IDLE_MS;
      } catch (error) {
        if (hasCode(error, "unknown_kind")) waitMs = IDLE_MS;
        else log.debug("no word about etcd: {message}", { message: (error as Error).message });
      }
      await pause(waitMs, signal).catch(() => {});
    }
  }

  /** Whether this machine has an etcd; where it has none, the log says so if one is wanted. */
  async #canRun({ voters, wanted }: SeatCount): Promise<boolean> {
    try {
      await etcdVersion();
      return true;
    } catch (error) {
      const { message } = error as Error;
      if (voters < wanted && !this.#said) log.warn("{message}", { message });
      this.#said ||= voters < wanted;
      return false;
    }
  }

  async #becomeServer(onServer: OfferOptions["onServer"]): Promise<void> {
    const registry = await this.#open();
    const { authority } = await registryRecords(registry).authority.read();
    if (!authority) return; // it is there a moment after etcd is
    const { key, certificate } = authority;
    await this.#keepAuthority({ key, certificate });
    log.info("this node is a server of the registry now");
    await onServer?.(registry, { key, certificate });
  }
}

/** Throws `registry/refused` where a node offers a member under another node's name. */
async function checkName(
  { name }: EtcdOffer,
  from: NodeId,
  identities: () => Promise<KnownIdentity[]>,
): Promise<void> {
  const known = (await identities()).find(({ node, lives }) =>
    node === from || lives.some((life) => life.node === from)
  );
  if (known && memberName(from, known.identity) === name) return;
  throw registryError("refused", `node ${from} offers a member in the name of ${name}`, { from });
}
