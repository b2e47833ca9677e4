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

/** What somebody asks to be deployed. */
export const askedDeploymentSchema = z.object({
  name: deploymentNameSchema,
  /** Text of the graph file, YAML or JSON. */
  graph: z.string().max(MOST_GRAPH),
  /** Path of the file, for errors. */
  file: z.string().max(MAX_MESSAGE_CHARS).default("graph"),
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
  /** Ends what watches for it. */
  close(): void;
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
