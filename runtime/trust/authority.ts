/**
 * The certificate authority of a cluster: it takes nodes in and signs their certificates. It lives
 * on the first node.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { NodeId } from "../../actors/system/mod.ts";
import { fingerprintOf, type Issued, NODE_ID } from "./certificates.ts";
import { trustError } from "./errors.ts";
import { trustFolder } from "./folder.ts";
import { Identities, knownIdentitySchema } from "./identities.ts";
import type { MembershipNews } from "./join_protocol.ts";
import { RecordFile } from "./record_file.ts";
import { MAX_MEMBERS, membersOf, type Roll, rollSchema, signRoll } from "./roll.ts";
import {
  createKey,
  type PrivateKey,
  readKey,
  readRequest,
  signAuthority,
  signNode,
} from "./sign.ts";
import { storedTokenSchema, Tokens } from "./tokens.ts";

/** How long the certificates of a node are valid, milliseconds. */
const CERTIFICATE_MS = 24 * 3600_000;

const authoritySchema = z.object({
  /** The authority's key and certificate, PEM. */
  authority: z.object({
    key: z.string(),
    certificate: z.string(),
    /** Epoch of the cluster, see {@linkcode Roll}. */
    epoch: z.int().positive().default(1),
  }).optional(),
});

const rollFileSchema = z.object({ roll: rollSchema.optional() });

/** Options of {@linkcode Authority.open}. */
export interface AuthorityOptions {
  /** Folder of the model store. */
  data: string;
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
  readonly #roll: RecordFile<z.infer<typeof rollFileSchema>>;
  readonly #certificateMs: number;
  readonly #file: RecordFile<unknown>;

  private constructor(
    { data, certificateMs = CERTIFICATE_MS }: AuthorityOptions,
    key: PrivateKey,
    { certificate, epoch }: { certificate: string; epoch: number },
  ) {
    const folder = trustFolder(data);
    const identities = new RecordFile(
      join(folder, "identities.json"),
      z.array(knownIdentitySchema),
      () => [],
    );
    this.#file = identities as RecordFile<unknown>;
    this.identities = new Identities(identities);
    this.tokens = new Tokens(
      new RecordFile(join(folder, "tokens.json"), z.array(storedTokenSchema), () => []),
    );
    this.#roll = new RecordFile(join(folder, "roll.json"), rollFileSchema, () => ({}));
    this.#key = key;
    this.epoch = epoch;
    this.#certificateMs = certificateMs;
    this.certificate = certificate;
    this.fingerprint = fingerprintOf(new X509Certificate(certificate));
  }

  /** Opens the authority of a folder. Throws `no_authority`, `file_broken`, `file_busy`. */
  static async open(options: AuthorityOptions): Promise<Authority> {
    const { data, create = false } = options;
    const file = new RecordFile(
      join(trustFolder(data), "authority.json"),
      authoritySchema,
      () => ({}),
    );
    let { authority: stored } = await file.read();
    if (!stored && !create) {
      throw trustError(
        "no_authority",
        `no cluster was started with --data ${data}; name the folder of the first node`,
        { data },
      );
    }
    stored ??= await file.update(async (value) => {
      if (value.authority) return value.authority; // another node that started just now made it
      const key = await createKey();
      return value.authority = { key: key.pem, certificate: await signAuthority(key), epoch: 1 };
    });
    return new Authority(options, await readKey(stored.key), stored);
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
    const { roll } = await this.#roll.read();
    if (isCurrent(roll)) return roll!;
    return await this.#roll.update(async (value) => {
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

  /** When the list of identities was changed last, in milliseconds since 1970. */
  changedMs(): Promise<number> {
    return this.#file.changedMs();
  }
}
