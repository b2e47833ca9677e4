/**
 * Who takes the layers of a node over that is gone. A plan names a backup for each stage. Where nothing
 * was planned (layers were split evenly, or as the user said), it is a member that is there: the one
 * with the fewest layers, and of several a node of a neighbouring stage, to which hidden states come or
 * go anyway. Pure.
 *
 * @module
 */
import { z } from "zod";
import type { Deployment, Member } from "./deployment.ts";

/** What is read of a deployment's plan: who could take over whose layers. */
const backupsSchema = z.object({
  backups: z.array(z.object({
    first_layer: z.number(),
    last_layer: z.number(),
    host: z.string().nullable(),
  })),
});

type Stages = Deployment["stages"];

/** Options of {@linkcode atBackups}. */
export interface BackupOptions {
  /** Ids of the nodes whose stages stay where they are. */
  here: ReadonlySet<string>;
  /** Members that may take layers over. */
  takers: readonly Member[];
  /**
   * Bytes that a placement takes at each node, by id: without a plan, members whose machines have
   * less memory take nothing over. @default not known
   */
  bytesAt?: (placement: Deployment) => ReadonlyMap<string, number>;
}

/**
 * The stages of a deployment, each at its node where that is here, else at a backup that takes all of
 * its layers. Undefined: for one of them there is none.
 */
export function atBackups(
  deployment: Deployment,
  { here, takers, bytesAt }: BackupOptions,
): Stages | undefined {
  const { plan } = deployment;
  const { data } = backupsSchema.safeParse(plan);
  const stages = [...deployment.stages];
  // Where all of it is lost, layers are better placed anew.
  if (!plan && !stages.some(({ node }) => here.has(node))) return undefined;
  for (const [i, stage] of stages.entries()) {
    if (here.has(stage.node)) continue;
    const { first, last } = stage;
    const named = data?.backups.find(({ first_layer, last_layer, host }) =>
      first_layer === first && last_layer === last && takers.some(({ node }) => node === host)
    );
    const node = plan ? named?.host : unplanned({ ...deployment, stages }, i, { takers, bytesAt });
    if (!node) return undefined;
    stages[i] = { ...stage, node };
  }
  return stages;
}

/** How many layers of these stages are at a node. */
export const layersAt = (stages: Stages, node: string): number =>
  stages.reduce((sum, s) => sum + (s.node === node ? s.last - s.first + 1 : 0), 0);

/** Who takes a stage over where nothing was planned; undefined: nobody can. */
function unplanned(
  deployment: Deployment,
  index: number,
  { takers, bytesAt }: Pick<BackupOptions, "takers" | "bytesAt">,
): string | undefined {
  const { stages } = deployment;
  const next = [stages[index - 1]?.node, stages[index + 1]?.node];
  const distance = ({ node }: Member) => next.includes(node) ? 0 : 1;
  const layers = ({ node }: Member) => layersAt(stages, node);
  const hasRoom = ({ node, memory_bytes }: Member) => {
    const there = stages.with(index, { ...stages[index], node });
    const bytes = bytesAt?.({ ...deployment, stages: there }).get(node) ?? 0;
    return bytes <= memory_bytes;
  };
  return takers.toSorted((a, b) => layers(a) - layers(b) || distance(a) - distance(b))
    .find(hasRoom)?.node;
}
