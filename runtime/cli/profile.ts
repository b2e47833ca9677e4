/**
 * `deno task profile`: measures how fast this machine runs a model; prints and stores the profile.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { ModelStore, PRECISIONS } from "../../models/mod.ts";
import { atPrecision, type Profile, ProfileCache, profileModel } from "../profile/mod.ts";
import { usualThreads } from "../engine/mod.ts";
import { resolveModel } from "../serve/mod.ts";
import { numberOption, readFlags } from "./args.ts";
import { PROFILE } from "./commands/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { humanBytes, Progress } from "./progress.ts";

async function profile(args: string[]): Promise<number> {
  const { values } = readFlags(PROFILE, args);
  if (!values) return printHelp(PROFILE);
  const precision = PRECISIONS.find((p) => p === values.precision);
  if (values.precision !== undefined && !precision) {
    throw new UsageError(
      `--precision takes ${PRECISIONS.join(", ")}, got ${JSON.stringify(values.precision)}`,
    );
  }
  if (values.data === "") throw new UsageError('--data takes a folder, got ""');
  const { quick, spinning, data } = values;
  const store = await ModelStore.open(data);
  const { manifest: stored } = await resolveModel(store, { model: values.model });
  const manifest = atPrecision(stored, precision ?? stored.precision);
  const layerBytes = manifest.layers.reduce((sum, { bytes }) => sum + bytes, 0);
  const threads = numberOption("threads", values.threads, { min: 1, max: 256, integer: true }) ??
    usualThreads(layerBytes);
  const progress = new Progress();
  const measured = await profileModel({
    manifest,
    store,
    data,
    threads,
    spinning,
    quick,
    onProgress: ({ what, done, total }) => progress.show("measuring", done, total, what),
  }).finally(() => progress.end());
  const cache = new ProfileCache(data);
  await cache.put(measured);
  console.log(values.json ? JSON.stringify(measured, null, 2) : profileTable(measured, cache.dir));
  return exitCodes.ok;
}

/** A profile as a table of milliseconds; `dir` is the folder where it is stored. */
export function profileTable(profile: Profile, dir: string): string {
  const { key, layer, embed, head } = profile;
  const { machine } = key;
  const cell = (text: string) => text.padStart(10);
  const value = (seconds: number | undefined) =>
    cell(seconds === undefined ? "" : (seconds * 1000).toFixed(3));
  const at = (table: Profile["embed"], rows: number) =>
    table.seconds[table.rows.indexOf(rows)]?.[0];
  const title = [
    "rows",
    ...layer.past.map((past) => past === 0 ? "layer" : `+${past} past`),
    "embedding",
    "head",
  ];
  const rows = [...new Set([...layer.rows, ...embed.rows, ...head.rows])].sort((a, b) => a - b);
  return [
    `${profile.model}, ${key.precision}, ${key.threads} thread${key.threads === 1 ? "" : "s"}${
      key.spinning ? ", spinning" : ""
    } on ${machine.hostname}: ${machine.cpu}, ${machine.cores} cores, ${
      Math.round(profile.cpu_share * 100)
    } % of one when busy`,
    title.map(cell).join(""),
    ...rows.map((n) => {
      const at_layer = layer.seconds[layer.rows.indexOf(n)] ?? [];
      return [
        cell(String(n)),
        ...layer.past.map((_, i) => value(at_layer[i])),
        value(at(embed, n)),
        value(at(head, n)),
      ].join("");
    }),
    `milliseconds; beside them ${(profile.frame_s * 1000).toFixed(2)} ms a frame. A layer takes ${
      humanBytes(profile.layer_bytes)
    } of memory, an engine without layers ${humanBytes(profile.overhead_bytes)}`,
    `${profile.synthetic ? "made-up weights, " : ""}measured in ${
      profile.took_s.toFixed(1)
    } s, kept in ${dir}`,
  ].join("\n");
}

if (import.meta.main) await runCommand(profile);
