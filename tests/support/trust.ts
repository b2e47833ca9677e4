/**
 * Clusters of trust for tests: folders whose nodes have certificates of one authority.
 *
 * @module
 */
import { Authority, formatToken, type NodeTrust, openTrust } from "../../runtime/trust/mod.ts";

/** A text with the shape of a token, for a cluster that nobody has. */
export const TOKEN_OF_NOBODY = formatToken({
  authority: "0".repeat(64),
  id: "abcdefgh",
  secret: "A".repeat(43),
});

/** A first node's folder, and what tests do with it. */
export class TestCluster implements AsyncDisposable {
  readonly #trusts: NodeTrust[] = [];
  readonly #folders: string[] = [];

  private constructor(readonly data: string, readonly authority: Authority) {
    this.#folders.push(data);
  }

  /** Makes an authority in a folder of its own; its certificates last `certificateMs`. */
  static async create(certificateMs?: number): Promise<TestCluster> {
    const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
    return new TestCluster(data, await Authority.open({ data, create: true, certificateMs }));
  }

  /** Certificates of a first node. */
  async first(node: string, certificateMs?: number): Promise<NodeTrust> {
    return this.#kept(await openTrust({ data: this.data, node, certificateMs }));
  }

  /** Certificates of a node that joins with a token, from a folder of its own or from `data`. */
  async join(
    node: string,
    port: number,
    { token, data }: { token?: string; data?: string } = {},
  ): Promise<NodeTrust> {
    const folder = data ?? await this.folder();
    const join = { host: "127.0.0.1", port };
    return this.#kept(await openTrust({ data: folder, node, join, token }));
  }

  /** A folder for a node. */
  async folder(): Promise<string> {
    const folder = await Deno.makeTempDir({ prefix: "orrery-test-" });
    this.#folders.push(folder);
    return folder;
  }

  /** A token of this cluster. */
  async token({ uses = 1, ttlMs = 60_000 } = {}): Promise<string> {
    const made = await this.authority.tokens.create({ uses, ttlMs, note: "test" });
    return formatToken({ authority: this.authority.fingerprint, ...made });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const trust of this.#trusts) trust.close();
    // Files that are just being written are waited for by trying again.
    for (const folder of this.#folders) {
      await Deno.remove(folder, { recursive: true })
        .catch(() => Deno.remove(folder, { recursive: true }));
    }
  }

  #kept(trust: NodeTrust): NodeTrust {
    this.#trusts.push(trust);
    return trust;
  }
}
