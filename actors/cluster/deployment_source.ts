/**
 * What is deployed under a name, as the coordinator has found it: the model, how many copies, and who
 * plans where its layers go.
 *
 * @module
 */
import { z } from "zod";
import type { DeploymentPolicy } from "../graph/mod.ts";
import { MAX_MESSAGE_CHARS } from "../system/mod.ts";
import { deploymentNameSchema } from "./copy_name.ts";
import type { Deployment } from "./deployment.ts";
import type { DeploymentPlacement, PlaceDeployment } from "./placement.ts";

/** Most characters of a graph file that is applied. */
const MOST_GRAPH = 1 << 18;
/** Most characters of a packed module, and most modules of a file. */
const MOST_MODULE = 8 << 20;
const MOST_MODULES = 64;

/** What somebody asks to be deployed. */
export const askedDeploymentSchema = z.object({
  name: deploymentNameSchema,
  /** Text of the graph file, YAML or JSON. */
  graph: z.string().max(MOST_GRAPH),
  /** Path of the file, for errors. */
  file: z.string().max(MAX_MESSAGE_CHARS).default("graph"),
  /** The packed modules of its custom actors, by their names. */
  modules: z.record(
    z.string().max(128),
    z.object({
      /** SHA-256 of its bytes, in hexadecimal digits. */
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      /** The bytes in base 64; undefined: the registry has them. */
      data: z.base64().max(MOST_MODULE).optional(),
    }),
  ).refine((modules) => Object.keys(modules).length <= MOST_MODULES, {
    error: `expected at most ${MOST_MODULES} modules`,
  }).default({}),
});

/** See {@linkcode askedDeploymentSchema}. */
export type AskedDeployment = z.infer<typeof askedDeploymentSchema>;

/** See the module's text. */
export interface DeploymentSource {
  /** The model, and where it comes from. */
  readonly model: Pick<Deployment, "model" | "source" | "manifest_sha256">;
  /** Name of the draft model; undefined: there is none. */
  readonly draft?: string;
  /** How many copies, and when. */
  readonly policy: DeploymentPolicy;
  /** Requests at once that a copy is planned for. */
  readonly concurrent: number;
  /** What was asked for, for the next coordinator; undefined: it knows otherwise. */
  readonly asked?: AskedDeployment;
  /**
   * What placements, weights and answers come from, as text: where only the policy's copies and times
   * differ, two sources have the same text. "": it is not known.
   */
  readonly content: string;
  /** Makes placements. */
  readonly place: PlaceDeployment;
  /** Bytes that a placement takes at each node, by id. */
  bytesAt(placement: DeploymentPlacement): ReadonlyMap<string, number>;
  /**
   * Has its custom actors run, in place of those of the source before, which go on where this rejects.
   * @default it has none
   */
  begin?(signal: AbortSignal): Promise<void>;
  /** The custom actors of the source before are its own: nothing need begin. @default it has none */
  inherit?(): void;
  /** Where its custom actors run, as it is shown. @default it has none */
  actors?(): readonly HostedActorView[];
  /** It is deleted: its custom actors end. @default it has none */
  end?(): void;
  /** Ends what watches for it. */
  close(): void;
}

/** Where a custom actor runs. */
export interface HostedActorView {
  /** Its name in the graph. */
  actor: string;
  /** The node that runs it; null: none does yet. */
  host: string | null;
  /** Why there, or why nowhere. */
  why: string;
}

/** Resource `sources` of the cluster actor. */
export interface DeploymentSources {
  /** What the cluster was started with, but for model and placement. */
  readonly main: Pick<DeploymentSource, "policy" | "concurrent" | "bytesAt" | "draft">;
  /**
   * Finds what somebody asks for. Throws group `graph` (what is wrong with the file), `model` (what
   * the store throws) and the signal's reason.
   */
  open(asked: AskedDeployment, signal: AbortSignal): Promise<DeploymentSource>;
}
