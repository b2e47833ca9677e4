/**
 * Clusters for tests of who follows a first node: one of keys and certificates alone, and one of
 * nodes with mailboxes.
 *
 * @module
 */
import {
  type Ballot,
  derOf,
  type KnownCluster,
  makeRecord,
  NodeSuccession,
  type Signer,
  signVote,
  type Succession,
  type SuccessionRecord,
} from "../../runtime/succession/mod.ts";
import {
  type Authority,
  createKey,
  fileRecords,
  type MailboxPlace,
  type NodeTrust,
  openTrust,
  type Roll,
  sha256,
  signAuthority,
} from "../../runtime/trust/mod.ts";
import { signRequest } from "../../runtime/trust/sign.ts";
import { type MailboxNode, open } from "./mailbox_nodes.ts";
import { until } from "./transport_suite.ts";
import { TestCluster } from "./trust.ts";

/** A member with its key. */
export interface TestMember extends Signer {
  node: string;
  identity: string;
}

/** See the module's text. */
export class TestVoters implements AsyncDisposable {
  readonly members: TestMember[] = [];

  private constructor(readonly cluster: TestCluster) {}

  /** A cluster with so many members besides the first node. */
  static async create(count: number): Promise<TestVoters> {
    const voters = new TestVoters(await TestCluster.create());
    for (let i = 0; i < count; i++) await voters.add(`n${i}:0:000${i}`);
    return voters;
  }

  /** Takes one more member in. */
  async add(node: string, authority: Authority = this.cluster.authority): Promise<TestMember> {
    const key = await createKey();
    const { id, secret } = await authority.tokens.create({ uses: 1, ttlMs: 60_000, note: "" });
    const csr = await signRequest(key, node);
    const { client } = await authority.issue({ csr, node, token: { id, secret } });
    const { identity } = (await authority.identities.list()).find((i) => i.node === node)!;
    const member = { node, key, certificate: client, identity };
    this.members.push(member);
    return member;
  }

  roll(): Promise<Roll> {
    return this.cluster.authority.roll() as Promise<Roll>;
  }

  /** What somebody knows who was told everything. */
  async known(): Promise<KnownCluster> {
    const { authority } = this.cluster;
    return {
      authority: authority.certificate,
      roll: await this.roll(),
      revoked: await authority.identities.revoked(),
    };
  }

  /** What is voted on when a member is to be the first node. */
  async ballot(candidate: TestMember, more: Partial<Ballot> = {}): Promise<Ballot> {
    const { node, identity } = candidate;
    return {
      epoch: 2,
      authority: derOf(await signAuthority(await createKey())),
      roll: await this.roll(),
      candidate: { node, identity, host: "127.0.0.1", port: 8421 },
      ...more,
    };
  }

  /** A record with the votes of these members. */
  async record(ballot: Ballot, by: TestMember[]): Promise<SuccessionRecord> {
    return makeRecord(ballot, await Promise.all(by.map((member) => signVote(ballot, member))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cluster[Symbol.asyncDispose]();
  }
}

/** SHA-256 of a certificate in base64. */
export const fingerprint = (der: string): string => sha256(Buffer.from(der, "base64"));

/** A node of a cluster: a mailbox with certificates, and its part in successions. */
export interface SuccessionNode {
  id: string;
  data: string;
  trust: NodeTrust;
  mailbox: MailboxNode;
  succession: NodeSuccession;
  /** Whom it was told to be the first node. */
  followed: Succession[];
  /** Ends it as a killed process ends. */
  kill(): Promise<void>;
}

/**
 * Nodes with real mailboxes and folders. Whether they hear the first node is said by the test.
 */
export class SuccessionWorld implements AsyncDisposable {
  /** Milliseconds for which members have not heard the first node. */
  lostMs = 0;
  readonly nodes: SuccessionNode[] = [];
  readonly #folders: string[] = [];
  readonly #againMs: number | undefined;

  private constructor(againMs: number | undefined) {
    this.#againMs = againMs;
  }

  /** Starts a first node and so many members; `againMs`: as `SuccessionOptions` has it. */
  static async create(members: number, againMs?: number): Promise<SuccessionWorld> {
    const world = new SuccessionWorld(againMs);
    const first = await world.start("first:0:0001", await world.#folder());
    for (let i = 0; i < members; i++) {
      await world.start(`n${i}:0:000${i}`, await world.#folder(), first);
    }
    await world.meet();
    return world;
  }

  get first(): SuccessionNode {
    return this.nodes[0];
  }

  get members(): SuccessionNode[] {
    return this.nodes.slice(1);
  }

  /** A node in a folder; it joins `first`, or is a first one. */
  async start(
    id: string,
    data: string,
    first?: SuccessionNode,
    place?: MailboxPlace,
  ): Promise<SuccessionNode> {
    const join = place ?? first?.mailbox.mailbox.address;
    const token = await first?.trust.joinToken();
    const trust = await openTrust({ data, node: id, join, token });
    const mailbox = await open(id, { tls: trust, accept: () => true });
    const { address } = mailbox.mailbox;
    await trust.listening(address);
    const followed: Succession[] = [];
    const succession = await NodeSuccession.open({
      data,
      node: id,
      trust,
      address,
      lostMs: () => trust.signs ? 0 : this.lostMs,
      againMs: this.#againMs,
      findFirst: () => Promise.resolve(this.firstAnswers),
      state: async () => ({ identities: await this.#identities() }),
      onSuccession: (s) => void followed.push(s),
    });
    const node: SuccessionNode = {
      id,
      data,
      trust,
      mailbox,
      succession,
      followed,
      kill: async () => {
        succession.close();
        trust.close();
        await mailbox.mailbox.close({ deadlineMs: 0 });
      },
    };
    this.nodes.push(node);
    return node;
  }

  /** Where the first node answers, as members find. */
  firstAnswers?: string;

  /** All nodes learn where the others are, and who is on the roll. */
  async meet(): Promise<void> {
    const places = this.nodes.map((n) => ({ node: n.id, ...n.mailbox.mailbox.address }));
    for (const node of this.nodes) await node.succession.members(places);
    const count = this.nodes.length - 1;
    await until(
      () => this.members.every((n) => n.trust.roll?.members.length === count),
      "the roll at all members",
    );
  }

  /** The first node dies; the others notice, and have waited long enough. */
  async loseFirst(): Promise<void> {
    await this.first.kill();
    this.lostMs = 60_000;
  }

  async #identities() {
    return await fileRecords(this.first.data).identities.read();
  }

  async #folder(): Promise<string> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    this.#folders.push(folder);
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.kill();
    for (const folder of this.#folders) {
      await Deno.remove(folder, { recursive: true })
        .catch(() => Deno.remove(folder, { recursive: true }));
    }
  }
}
