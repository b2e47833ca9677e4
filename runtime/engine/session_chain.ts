/**
 * The sessions of a stage: each has some of its layers, and gives its hidden states to the next.
 *
 * ONNX Runtime packs the weights of a session on one thread, about 300 MB a second. Sessions of some
 * layers each are made at the same time, on threads of their own, so a large stage loads in a part of
 * the time; between two of them a frame's hidden states stay in f32, so no bit of them changes.
 *
 * @module
 */
import type { StageGraph } from "../../models/graph/contract.ts";
import {
  HUGE_FROM_BYTES,
  OrtTensor,
  type OrtTensors,
  Session,
  type SessionOptions,
} from "./ort.ts";
import { HugePages } from "./huge_pages.ts";

/** Names of the hidden states that a session takes and gives. */
const [TAKES, GIVES] = ["hidden", "next_hidden"];

/** The rows of a frame. */
export interface ChainRows {
  rows: number;
  /** Elements of the hidden state of a row. */
  width: number;
}

/** A session, and the graph that it runs. */
interface ChainLink {
  graph: StageGraph;
  session: Session;
}

/** See the module's text. Runs must not overlap. */
export class SessionChain {
  readonly #links: readonly ChainLink[];
  /** Hidden states between two sessions; a frame uses both by turns. f32 */
  readonly #between = [new Float32Array(0), new Float32Array(0)];

  private constructor(links: readonly ChainLink[]) {
    this.#links = links;
  }

  /** Makes the sessions of a stage, all at the same time. Throws Error with the library's message. */
  static async open(
    graph: StageGraph,
    options: Omit<SessionOptions, "external" | "hugePages">,
  ): Promise<SessionChain> {
    const graphs = graph.parts ?? [graph];
    const bytes = graphs.flatMap(({ external = [] }) => external)
      .reduce((sum, { length }) => sum + length, 0);
    const pages = bytes >= HUGE_FROM_BYTES ? HugePages.note() : undefined;
    try {
      const opened = await Promise.allSettled(graphs.map(async (part) => ({
        graph: part,
        session: await Session.open(part.path, {
          ...options,
          external: part.external,
          hugePages: false,
        }),
      })));
      const links = opened.flatMap((made) => made.status === "fulfilled" ? [made.value] : []);
      const failed = opened.find((made) => made.status === "rejected");
      if (failed) {
        for (const { session } of links) session.release();
        throw failed.reason;
      }
      await pages?.collapseNew();
      return new SessionChain(links);
    } finally {
      pages?.close();
    }
  }

  /** How many sessions there are. */
  get length(): number {
    return this.#links.length;
  }

  /** Computes a frame, see {@linkcode Session.run}. */
  async run(inputs: OrtTensors, outputs: OrtTensors, { rows, width }: ChainRows): Promise<void> {
    let hidden: OrtTensor | undefined;
    try {
      for (const [i, { graph, session }] of this.#links.entries()) {
        const next = i < this.#links.length - 1 ? this.#tensor(i % 2, rows, width) : undefined;
        const feeds = named(graph.inputs, hidden ? { ...inputs, [TAKES]: hidden } : inputs);
        const results = named(graph.outputs, next ? { ...outputs, [GIVES]: next } : outputs);
        try {
          await session.run(feeds, results);
        } catch (error) {
          next?.release();
          throw error;
        }
        hidden?.release();
        hidden = next;
      }
    } finally {
      hidden?.release();
    }
  }

  /** A tensor of hidden states over one of the two buffers. */
  #tensor(buffer: number, rows: number, width: number): OrtTensor {
    if (this.#between[buffer].length < rows * width) {
      this.#between[buffer] = new Float32Array(rows * width);
    }
    const data = this.#between[buffer].subarray(0, rows * width);
    return new OrtTensor("float32", data, [1, rows, width]);
  }

  /** Frees the sessions. */
  release(): void {
    for (const { session } of this.#links) session.release();
  }
}

/** Those of the tensors that have one of the names. */
function named(names: readonly string[], tensors: OrtTensors): OrtTensors {
  const some: OrtTensors = {};
  for (const name of names) if (name in tensors) some[name] = tensors[name];
  return some;
}
