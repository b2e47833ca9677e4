/**
 * How long a request may be by the memory of the nodes that have the stages. What cannot fit is refused
 * before anything is computed for it.
 *
 * @module
 */
import {
  type ActorSystem,
  type Deployment,
  type KvRoom,
  kvRoomSchema,
  memberActor,
  OrreryError,
} from "../../actors/mod.ts";

/** Milliseconds in which a node must say what its stages have memory for. */
const ANSWER_MS = 5_000;
/** Deployments that are remembered. */
const MOST_DEPLOYMENTS = 64;

/** The node whose stages have memory for the fewest rows. */
export interface LeastRoom extends KvRoom {
  node: string;
}

/** See the module's text. */
export class KvRooms {
  readonly #system: Pick<ActorSystem, "get">;
  /** By id and revision of the deployment. */
  readonly #known = new Map<string, LeastRoom>();

  /** Knows nothing yet. */
  constructor(system: Pick<ActorSystem, "get">) {
    this.#system = system;
  }

  /**
   * Asks the nodes of a deployment that serves now. One that does not answer, or runs an earlier version,
   * bounds nothing. Never rejects.
   */
  async learn(deployment: Deployment): Promise<void> {
    const { id, stages } = deployment;
    const nodes = [...new Set(stages.map(({ node }) => node))];
    const rooms = await Promise.all(nodes.map(async (node) => {
      const asked = this.#system.get(memberActor, node).kv_room({ id }, { deadlineMs: ANSWER_MS });
      const room = kvRoomSchema.safeParse(await asked.catch(() => null));
      return room.success ? [{ node, ...room.data }] : [];
    }));
    const [least] = rooms.flat().sort((a, b) => a.rows - b.rows);
    if (!least) return;
    this.#known.set(keyOf(deployment), least);
    if (this.#known.size > MOST_DEPLOYMENTS) {
      this.#known.delete(this.#known.keys().next().value!);
    }
  }

  /** The node that bounds requests of a deployment; undefined: none is known to. */
  get(deployment: Deployment): LeastRoom | undefined {
    return this.#known.get(keyOf(deployment));
  }
}

const keyOf = ({ id, revision = 0 }: Deployment) => `${id} ${revision}`;

/**
 * Tokens that an answer may have: as many as are wanted, or where nobody said how many, as fit beside
 * the prompt. Throws group `api`, code `kv_exceeded`, where prompt and answer do not fit into the rows
 * of a node.
 */
export function fittingTokens(
  { prompt, wanted, stated, param }: {
    /** Tokens of the prompt. */
    prompt: number;
    /** Tokens that the answer may have. */
    wanted: number;
    /** Did the request say so? */
    stated: boolean;
    /** The field of the request that has the prompt. */
    param: string;
  },
  least: LeastRoom | undefined,
): number {
  if (!least || prompt + wanted <= least.rows) return wanted;
  const { node, rows, bytes } = least;
  const left = rows - prompt;
  if (!stated && left >= 1) return left;
  const how = left >= 1
    ? `ask for ${left} tokens or fewer`
    : `shorten the prompt to ${Math.max(0, rows - 1)} tokens or fewer`;
  throw new OrreryError({
    group: "api",
    code: "kv_exceeded",
    message:
      `the request needs ${prompt + wanted} positions (${prompt} of the prompt, ${wanted} of ` +
      `the answer), and node ${node} has memory for ${rows} (${
        Math.floor(bytes / 2 ** 20)
      } MiB): ` +
      `${how}, or give the node more memory (--memory) or the cluster more nodes`,
    metadata: {
      param: left >= 1 ? "max_tokens" : param,
      prompt_tokens: prompt,
      max_tokens: wanted,
      node,
      capacity_rows: rows,
      capacity_bytes: bytes,
    },
  });
}
