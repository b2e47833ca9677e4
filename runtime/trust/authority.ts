/**
 * The certificate authority of a cluster: it takes nodes in and signs their certificates. It lives
 * on the first node, or on every node that opens the registry in which it is kept.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import type { NodeId } from "../../actors/system/mod.ts";
import { fingerprintOf, type Issued, NODE_ID } from "./certificates.ts";
import { trustError } from "./errors.ts";
import { Identities } from "./identities.ts";
import type { MembershipNews } from "./join_protocol.ts";
import { fileRecords, type TrustRecords } from "./records.ts";
import { MAX_MEMBERS, membersOf, type Roll, signRoll } from "./roll.ts";
import {
  createKey,
  type PrivateKey,
  readKey,
  readRequest,
  signAuthority,
  signNode,
} from "./sign.ts";
import { Tokens } from "./tokens.ts";

/** How long the certificates of a node are valid, milliseconds. */
const CERTIFICATE_MS = 24 * 3600_000;

/** Options of {@linkcode Authority.open}. */
export interface AuthorityOptions {
  /** Folder of the model store. */
  data: string;
  /** Where the authority is kept. @default files in `data` */
  records?: TrustRecords;
  /** Makes an authority where there is none. @default false */
  create?: boolean;
  /** How long certificates of nodes are valid, milliseconds. @default 24 hours */
  certificateMs?: number;
}

/** A request for certificates. */
export interface SignRequest {
  /** PKCS #10, base64. */
  csr: string;
  /** Id of this life of the node. */
  node: NodeId;
  /** Takes the node in where it is not known. */
  token?: { id: string; secret: string };
}

/** See the module's text. */
export class Authority {
  /** The authority's certificate, PEM. */
  readonly certificate: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly fingerprint: string;
  /** Epoch of the cluster, see {@linkcode Roll}. */
  readonly epoch: number;
  readonly tokens: Tokens;
  readonly identities: Identities;
  readonly #key: PrivateKey;
  readonly #records: TrustRecords;
  readonly #certificateMs: number;

  private constructor(
    records: TrustRecords,
    key: PrivateKey,
    { certificate, epoch }: { certificate: string; epoch: number },
    certificateMs = CERTIFICATE_MS,
  ) {
    this.#records = records;
    this.identities = new Identities(records.identities);
    this.tokens = new Tokens(records.tokens);
    this.#key = key;
    this.epoch = epoch;
    this.#certificateMs = certificateMs;
    this.certificate = certificate;
    this.fingerprint = fingerprintOf(new X509Certificate(certificate));
  }

  /**
   * Opens the authority of a cluster. Throws `no_authority`, `file_broken`, `file_busy`, and what
   * the registry throws.
   */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const { data, records = fileRecords(data), create = false, certificateMs } = options;
    let { authority: stored } = await records.authority.read();
    if (!stored && !create) {
      throw trustError(
        "no_authority",
        `no cluster was started with --data ${data}; name the folder of the first node, or with ` +
          "--registry the registry where several nodes open it",
        { data },
      );
    }
    if (!stored) {
      const key = await createKey();
      const made = { key: key.pem, certificate: await signAuthority(key), epoch: 1 };
      // Another node that started just now may have made it.
      stored = await records.authority.update((value) => value.authority ??= made);
    }
    return new Authority(records, await readKey(stored.key), stored, certificateMs);
  }

  /**
   * Signs the certificates of a node that is known, or that comes with a good token. Throws group
   * `trust`: `bad_request`, `token_required`, what `Tokens.use` and `Identities.claim` throw.
   *
   * @param takesJoins The node is this authority's own.
   */
  async issue({ csr, node, token }: SignRequest, takesJoins = false): Promise<Issued> {
    if (!NODE_ID.test(node)) {
      throw trustError("bad_request", `node ${JSON.stringify(node)} is no NAME:PORT:XXXX`);
    }
    const { identity, publicKey } = await readRequest(csr, node);
    const untilMs = Date.now() + this.#certificateMs;
    await this.identities.claim({
      identity,
      node,
      untilMs,
      admit: async () => {
        if (takesJoins) return undefined;
        if (!token) {
          throw trustError(
            "token_required",
            "this cluster does not know this node; join with the whole command that the first node " +
              "printed, or with a token of `deno task token create` there",
          );
        }
        await this.tokens.use(token);
        return token.id;
      },
    });
    const request = { publicKey, node, untilMs, takesJoins };
    return await signNode(this.#key, this.certificate, request);
  }

  /**
   * The members as they are now; a new roll is made and kept where they have changed. Undefined:
   * they are more than a roll takes.
   */
  async roll(): Promise<Roll | undefined> {
    const members = membersOf(await this.identities.list(), this.#certificateMs);
    if (members.length > MAX_MEMBERS) return undefined;
    const isCurrent = (roll: Roll | undefined) =>
      roll?.authority === this.fingerprint && roll.members.join() === members.join();
    const { roll } = await this.#records.roll.read();
    if (isCurrent(roll)) return roll!;
    return await this.#records.roll.update(async (value) => {
      if (isCurrent(value.roll)) return value.roll!; // another process made it just now
      const number = value.roll?.authority === this.fingerprint ? value.roll.number + 1 : 1;
      return value.roll = await signRoll(this.#key, {
        authority: this.fingerprint,
        epoch: this.epoch,
        number,
        at_ms: Date.now(),
        members,
      });
    });
  }

  /** What members are told of who belongs to the cluster. */
  async news(): Promise<MembershipNews> {
    return { revoked: await this.identities.revoked(), roll: await this.roll() };
  }

  /** A number that is another one after every change of the list of identities. */
  version(): Promise<number> {
    return this.#records.identities.version();
  }
}
