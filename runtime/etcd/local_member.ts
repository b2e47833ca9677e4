/**
 * This node's member of etcd: its files, its certificate, its process.
 *
 *     FOLDER/NAME/member.json    which member it is
 *     FOLDER/NAME/etcd.log       what etcd says, two files of 1 MiB
 *     FOLDER/NAME/data/          etcd's own
 *     FOLDER/NAME/tls/           its certificate (server.pem), and what it trusts (authority.pem)
 *
 * etcd reads the certificate anew at each handshake, so a new one needs no restart.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import type { EtcdOffer, NodeId, RegistryCertificate, SeatAnswer } from "../../actors/mod.ts";
import { type EtcdAddress, EtcdClient, pause } from "../registry/mod.ts";
import { RecordFile } from "../trust/mod.ts";
import { BoundedLog } from "./bounded_log.ts";
import { etcdArguments } from "./etcd_arguments.ts";
import { EtcdProcess } from "./etcd_process.ts";
import { etcdAddress, type MemberFile, memberFile, tlsPath } from "./member_files.ts";
import { MemberList } from "./member_list.ts";
import { choosePorts } from "./ports.ts";

const log = getLogger(["orrery", "registry"]);

/** A certificate is renewed when less than this is left of it, milliseconds. */
const RENEW_MS = 8 * 3600_000;
/** Milliseconds between two looks at whether it is time to. */
const LOOK_MS = 60_000;
/** Milliseconds between two tries to reach an etcd that was just started. */
const POLL_MS = 50;

/** Options of {@linkcode LocalMember.open}. */
export interface LocalMemberOptions {
  /** Folder of all members of this machine, `registry/etcd` below `--data`. */
  folder: string;
  /** See {@linkcode memberName}. */
  name: string;
  /** Address to listen on. */
  host: string;
  /** Tells the address or host name that others are told, when it is needed first. */
  advertise: () => string;
  /** Ports that are taken if they are free; any free ones if not, or if left out. */
  ports?: { peers: number; clients: number };
  /**
   * Makes a certificate for these addresses: on a node that has the authority's key. May be set
   * later, by {@linkcode LocalMember.signsItself}.
   */
  sign?(hosts: string[]): Promise<RegistryCertificate>;
  /** A certificate that ends sooner than this is renewed, milliseconds. @default 8 hours */
  renewMs?: number;
}

/** Name of a node's member: of its name, port and key, which are the same in all its lives. */
export function memberName(node: NodeId, identity: string): string {
  const [name, port] = node.split(":");
  return `${name}-${port}-${identity.slice(0, 8)}`;
}

/** See the module's text. */
export class LocalMember {
  readonly #options: LocalMemberOptions;
  readonly #folder: string;
  readonly #file: RecordFile<MemberFile>;
  readonly #output: BoundedLog;
  readonly #closing = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #sign: LocalMemberOptions["sign"];
  #state: MemberFile;
  #chosen: MemberFile["ports"];
  #process: EtcdProcess | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    options: LocalMemberOptions,
    file: RecordFile<MemberFile>,
    state: MemberFile,
  ) {
    this.#options = options;
    this.#folder = join(options.folder, options.name);
    this.#file = file;
    this.#state = state;
    this.#sign = options.sign;
    this.#output = new BoundedLog(join(this.#folder, "etcd.log"));
    this.#timer = setInterval(() => void this.#renew(), LOOK_MS);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Reads what the node was; nothing is started yet. Throws `file_broken` (group `trust`). */
  static async open(options: LocalMemberOptions): Promise<LocalMember> {
    const folder = join(options.folder, options.name);
    const file = memberFile(folder);
    const state = await file.read();
    return new LocalMember(options, file, state);
  }

  /** Process id of its etcd; undefined while none runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Ports on which its etcd listens; undefined while none runs. */
  get ports(): { peers: number; clients: number } | undefined {
    return this.#process && this.#ports;
  }

  /** Where clients reach its own member. */
  get clientUrl(): string {
    return urlOf(this.#options.advertise(), this.#ports.clients);
  }

  /** How clients on this node reach the cluster; its own member comes first if it votes. */
  get address(): EtcdAddress {
    const own = this.clientUrl;
    const endpoints = [...this.#state.endpoints];
    endpoints.sort((a, b) => Number(b === own) - Number(a === own));
    return etcdAddress(this.#folder, endpoints.length > 0 ? endpoints : [own]);
  }

  /** What the coordinator is to know. */
  get offer(): EtcdOffer {
    return {
      name: this.#options.name,
      peerUrl: this.#peerUrl,
      hosts: this.#hosts,
      memberId: this.#state.member?.id,
      running: this.pid !== undefined,
      certificate: this.#leftMs < this.#renewMs,
    };
  }

  /** From now on this node makes its certificates itself. */
  signsItself(sign: NonNullable<LocalMemberOptions["sign"]>): void {
    this.#sign = sign;
  }

  /**
   * Makes a new cluster of this member alone, or goes on with one that was begun. Resolves when it
   * answers; rejects with the signal's reason.
   */
  bootstrap(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#state.member) {
        await this.#store({
          initialCluster: `${this.#options.name}=${this.#peerUrl}`,
          existing: false,
          cluster: crypto.randomUUID(),
          began: false,
        }, [this.clientUrl]);
        await this.#removeData();
      }
      await this.#start();
      const id = await this.#ownId(signal);
      await this.#store({ ...this.#state.member!, id, began: true });
    });
  }

  /**
   * Starts the member again that this node was; false: its data are gone, and it is none. The
   * cluster may take it for one no longer: an answer to its next offer says so.
   */
  resume(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (!this.#state.member) return false;
      if (this.#state.member.began && !await this.#hasData()) {
        await this.#wipe(`${this.#data} is not there`);
        return false;
      }
      await this.#start();
      return true;
    });
  }

  /** Does what the coordinator says. Gives the endpoints where they changed. */
  take(answer: SeatAnswer): Promise<string[] | undefined> {
    return this.#inTurn(async () => {
      const { endpoints } = answer;
      const changed = JSON.stringify(this.#state.endpoints) !== JSON.stringify(endpoints);
      if (answer.state === "none") {
        if (this.#state.member) await this.#wipe(answer.reason);
        if (changed) await this.#store(undefined, endpoints);
      } else {
        const { memberId: id, initialCluster, certificate } = answer;
        if (certificate) await this.#useCertificate(certificate);
        if (this.#state.member && this.#state.member.id !== id) {
          await this.#wipe("it is another member now");
        }
        const before = this.#state.member;
        if (!before) await this.#removeData();
        if (!before || changed || before.initialCluster !== initialCluster) {
          const began = before?.began ?? false;
          const cluster = before?.cluster ?? "";
          await this.#store({ id, initialCluster, existing: true, cluster, began }, endpoints);
        }
        await this.#noteData();
        await this.#start();
      }
      return changed ? endpoints : undefined;
    });
  }

  /** Stops etcd; its data stay. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#timer);
    await this.#inTurn(() => this.#stop()).catch(() => {});
    await this.#output.close();
  }

  /** Its ports, chosen when they are needed first. */
  get #ports(): { peers: number; clients: number } {
    const { host, ports } = this.#options;
    return this.#chosen ??= choosePorts(host, this.#state.ports ?? ports);
  }

  get #peerUrl(): string {
    return urlOf(this.#options.advertise(), this.#ports.peers);
  }

  /** What its certificate must have: etcd checks from which address a member calls another. */
  get #hosts(): string[] {
    const own = Deno.networkInterfaces().map(({ address }) => address.split("%")[0]);
    return [...new Set([this.#options.advertise(), "127.0.0.1", "localhost", ...own])].slice(0, 64);
  }

  get #leftMs(): number {
    return this.#state.certificateUntilMs - Date.now();
  }

  get #renewMs(): number {
    return this.#options.renewMs ?? RENEW_MS;
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  #path(file: string): string {
    return tlsPath(this.#folder, file);
  }

  async #start(): Promise<void> {
    if (this.#process || this.#closing.signal.aborted) return;
    if (this.#sign) await this.#useCertificate(await this.#sign(this.#hosts));
    const { initialCluster, existing, cluster } = this.#state.member!;
    const { host } = this.#options; // etcd listens on addresses only
    const listen = isIP(host) ? host : (await lookup(host)).address;
    this.#process = new EtcdProcess(
      etcdArguments({
        name: this.#options.name,
        data: this.#data,
        listen: {
          peers: urlOf(listen, this.#ports.peers),
          clients: urlOf(listen, this.#ports.clients),
        },
        advertise: { peers: this.#peerUrl, clients: this.clientUrl },
        initialCluster,
        existing,
        cluster,
        certificate: this.#path("server.pem"),
        authority: this.#path("authority.pem"),
      }),
      this.#output,
    );
  }

  async #stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }

  /** The member's id, once it answers. */
  async #ownId(signal: AbortSignal): Promise<string> {
    const client = await EtcdClient.open({ ...this.address, endpoints: [this.clientUrl] });
    try {
      for (;;) {
        signal.throwIfAborted();
        try {
          const members = await new MemberList(client).read();
          const own = members.find(({ name }) => name === this.#options.name);
          if (own) return own.id;
        } catch {
          // it has not started yet
        }
        await pause(POLL_MS, signal);
      }
    } finally {
      client.close();
    }
  }

  async #wipe(reason: string): Promise<void> {
    log.warn("this node's etcd is no member any more ({reason}): its data are deleted", { reason });
    await this.#stop();
    await this.#store(undefined); // first, as data without a note are harmless
    await this.#removeData();
  }

  async #removeData(): Promise<void> {
    await Deno.remove(this.#data, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  /** Notes that etcd has written data. */
  async #noteData(): Promise<void> {
    const { member } = this.#state;
    if (!member || member.began || !await this.#hasData()) return;
    await this.#store({ ...member, began: true });
  }

  #hasData(): Promise<boolean> {
    return Deno.stat(join(this.#data, "member")).then(() => true, () => false);
  }

  async #store(member: MemberFile["member"], endpoints = this.#state.endpoints): Promise<void> {
    this.#state = await this.#file.update((value) => {
      value.ports = this.#ports;
      value.member = member;
      value.endpoints = endpoints;
      return value;
    });
  }

  async #useCertificate({ authority, certificate, key, untilMs }: RegistryCertificate) {
    await Deno.mkdir(join(this.#folder, "tls"), { recursive: true, mode: 0o700 });
    await replaceFile(this.#path("authority.pem"), authority);
    await replaceFile(this.#path("server.pem"), certificate + "\n" + key + "\n");
    this.#state = await this.#file.update((value) => {
      value.certificateUntilMs = untilMs;
      return value;
    });
  }

  async #renew(): Promise<void> {
    if (!this.#sign || !this.#process || this.#leftMs >= this.#renewMs) return;
    try {
      const certificate = await this.#sign(this.#hosts);
      await this.#inTurn(() => this.#useCertificate(certificate));
    } catch (error) {
      log.warn("etcd's certificate cannot be renewed yet: {message}", {
        message: (error as Error).message,
      });
    }
  }

  /** One after the other. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => {});
    return result;
  }
}

function urlOf(host: string, port: number): string {
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Puts a file in the place of another; only its owner may read it. */
async function replaceFile(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  await Deno.remove(fresh).catch(() => {});
  await Deno.writeTextFile(fresh, text, { mode: 0o600, createNew: true });
  await Deno.rename(fresh, path);
}
