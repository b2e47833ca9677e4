/**
 * The options of a node.
 *
 * @module
 */
import type { Deployment, Graph, LogPage, LogQuery } from "../actors/mod.ts";
import type { AccessOptions } from "./access/mod.ts";
import type { AddProgress, Precision } from "../models/mod.ts";
import type { LayerRange } from "../planner/mod.ts";
import type { TraceOptions } from "./telemetry/mod.ts";
import type { FetchProgress } from "./weights/mod.ts";

/** How to start a node. */
export interface NodeOptions extends NodeAddress, NodeResources, FirstNodeOptions, AccessOptions {
  /** Folder of the model store. */
  data: string;
  /** Where traces are sent, as `traceOptions` reads it. @default nowhere */
  traces?: TraceOptions;
  /**
   * Join the node whose mailbox listens here, or the one that is found on the local network, instead
   * of being the first node.
   */
  join?: { host: string; port: number } | "discover";
  /**
   * Does a first node whose mailbox is open to others announce its cluster on the local network?
   * @default false
   */
  announce?: boolean;
  /**
   * Do changed modules of custom actors take over at once, without a restart? At a first node.
   * @default false
   */
  watch?: boolean;
  /**
   * Token to join with, as the first node printed it. A node that the cluster knows needs none.
   * @default none
   */
  token?: string;
  /**
   * Generations that run at the same time, and that wait. @default the graph's, else 32 and 128
   */
  admission?: { active?: number; queued?: number };
  /**
   * Versions of the protocol between nodes to speak. Tests speak older ones.
   * @default those that this program knows
   */
  protocol?: { lowest: number; highest: number };
  /**
   * The hub that models are added from while the node runs: its base URL and a token.
   * @default https://huggingface.co, without a token
   */
  hub?: { endpoint?: string; token?: string };
  /**
   * Names the commands in a text for clients as the user of this node calls them.
   * @default by `deno task`, as the text has them
   */
  asCalled?: (text: string) => string;
  /** Tells the newest records of this process's log, for `GET /api/logs`. @default there are none */
  logs?: (query: LogQuery) => LogPage;
  /** Called while a checkpoint is converted. */
  onProgress?: (progress: AddProgress) => void;
  /** Called with the draft model that was found in the store and why, or why none was. */
  onDraft?: (why: string) => void;
  /**
   * Called whenever weights arrive from other nodes, and with undefined when a fetch is over.
   */
  onFetch?: (progress: FetchProgress | undefined) => void;
  /** Called when the first node tells this one to drain and to end. @default it closes itself */
  onDrain?: () => void;
  /**
   * Called when this node was the first one, and another is now: started again with the same
   * options, it joins that one. @default it closes itself
   */
  onFollowed?: (why: string) => void;
  /**
   * Called where the node is something else than its options say, or becomes a server of a managed
   * registry; `why` is one line.
   */
  onRole?: (why: string) => void;
  /**
   * Milliseconds of silence of the first node after which members vote for another. Tests wait less.
   * @default 60000
   */
  voteAfterMs?: number;
  /** Called when the node begins or ceases to answer; `reason` says why. */
  onServe?: (deployment: Deployment | undefined, reason: string) => void;
}

/** Where a node listens, and what it is called. */
export interface NodeAddress {
  /**
   * Address that the mailbox listens on, and the API too where `apiHost` is left out and the API has
   * keys or needs none. With all interfaces (`0.0.0.0`), other nodes are told the first address that
   * is not a loopback one.
   */
  host: string;
  /** TCP port of the REST API; 0 takes any free one. */
  port: number;
  /** TCP port of the mailbox; 0 takes any free one. */
  mailboxPort: number;
  /** First part of the node's id, by which graph files name it. @default the machine's host name */
  name?: string;
}

/** What a node's stages may use. */
export interface NodeResources {
  /**
   * Threads of a stage's engine. @default 1 for stages under 64 MiB, the number of cores for larger
   * ones
   */
  threads?: number;
  /**
   * Do engine threads without work spin? That is faster on an idle machine, and much slower under a
   * CPU quota. @default false
   */
  spinning?: boolean;
  /** Bytes that this node's stages together may use. @default the free memory */
  memoryBytes?: number;
  /** Most bytes of a model's files that a client sends; 0: none are taken. @default 64 GiB */
  uploadBytes?: number;
}

/** What a node that joins nobody decides for the cluster; other nodes ignore these options. */
export interface FirstNodeOptions {
  /**
   * Where the cluster keeps its members, its deployments and the rest of its state: `embedded` (in
   * a file of this node), `managed` (in an etcd that up to three nodes run), the URL of a denokv
   * server, or `etcd://HOST[:PORT],...`.
   * @default "embedded"
   */
  registry?: string;
  /** Number of nodes, this one included, to wait for before the model is placed. */
  nodes: number;
  /** Name in the store, or a checkpoint folder. @default the graph's, else the embedded model */
  model?: string;
  /** How the weights are stored. @default "f32" for the embedded model, "q4" for others */
  precision?: Precision;
  /** Draft model, `none` or `ngram`. @default the graph's, else the embedded model's own */
  draft?: string;
  /** Layers of each node, in the order in which nodes join; with them nothing is planned. */
  layers?: LayerRange[];
  /** Ask the planner, or give every node the same number of layers. @default "planned" */
  placement?: "planned" | "even";
  /** Model, custom actors, constraints, objective, workload and decode policy. */
  graph?: Graph;
  /**
   * Path of the file that `graph` came from: modules of custom actors are relative to its folder.
   * @default a file in the current folder
   */
  graphFile?: string;
}
