/**
 * Which part of a model an actor's engine has. Pure.
 *
 * @module
 */
import {
  type Deployment,
  headAddress,
  type HeadShard,
  type HeadTokens,
  SOLO,
  stageAddress,
  type StandBy,
} from "../../actors/mod.ts";
import { headBounds, type StoredModel } from "../../models/mod.ts";
import type { LoadedLayers } from "./stage_loader.ts";

/** A deployment, and its model in this node's store. */
export interface DeployedModel {
  deployment: Deployment;
  stored: StoredModel;
}

/** The engine of a stage. */
export interface StageToLoad {
  kind: "stage";
  stored: StoredModel;
  layers: LoadedLayers;
}

/** The engine of a shard of the LM head. */
export interface HeadToLoad {
  kind: "head";
  stored: StoredModel;
  parts: HeadShard;
}

/** The engine of a stage or of a shard. */
export type EngineToLoad = StageToLoad | HeadToLoad;

/** The engine of the stage with this key; undefined: the deployment has no such stage. */
export function stageToLoad(of: DeployedModel, key: string): StageToLoad | undefined {
  const { deployment: { stages, head, solo }, stored } = of;
  const { layers, vocab } = stored.manifest.geometry;
  if (key === SOLO) {
    if (!solo) return undefined;
    return { kind: "stage", stored, layers: { node: solo.node, first: 0, last: layers - 1 } };
  }
  const stage = stages[Number(key)];
  if (!stage) return undefined;
  const last = Number(key) === stages.length - 1;
  const tokens = head && last ? head.map((shard) => tokensOf(shard, vocab)) : undefined;
  return { kind: "stage", stored, layers: { ...stage, head: tokens } };
}

/** The engine of the shard with this key; undefined: the deployment has no such shard. */
export function headToLoad(
  { deployment: { head }, stored }: DeployedModel,
  key: string,
): HeadToLoad | undefined {
  const parts = head?.[Number(key)];
  return parts && { kind: "head", stored, parts };
}

/** A deployment, with these parts of it at a node that is their backup. */
export function atBackup(deployment: Deployment, node: string, parts: StandBy): Deployment {
  const here = <T>(places: readonly T[], indices: readonly number[]): T[] =>
    places.map((place, i) => indices.includes(i) ? { ...place, node } : place);
  return {
    ...deployment,
    stages: here(deployment.stages, parts.stages),
    ...(deployment.head && { head: here(deployment.head, parts.head) }),
  };
}

/** The engines of these parts by address; an index that the deployment does not have is left out. */
export function standByEngines(of: DeployedModel, parts: StandBy): Map<string, EngineToLoad> {
  const { id } = of.deployment;
  const engines = new Map<string, EngineToLoad>();
  for (const i of parts.stages) {
    const stage = stageToLoad(of, `${i}`);
    if (stage) engines.set(stageAddress(id, i), stage);
  }
  for (const i of parts.head) {
    const shard = headToLoad(of, `${i}`);
    if (shard) engines.set(headAddress(id, i), shard);
  }
  return engines;
}

/** The tokens of a shard's parts. */
function tokensOf({ first_part, last_part }: HeadShard, vocab: number): HeadTokens {
  const bounds = headBounds(vocab);
  const first = bounds[first_part];
  return { first, tokens: bounds[last_part + 1] - first };
}
