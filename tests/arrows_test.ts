/**
 * Who may import whom. A new arrow between rooms fails here: either it goes another way, or the
 * table below is changed and docs/architecture.md says why.
 *
 * A room is a folder of a house (`actors/arbiter`); what lies directly in a house is its hallway
 * (`models/manifest.ts`). Rooms may use the hallway of their own house, and other rooms through
 * their doors (`mod.ts`).
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { circles, type FileImport, HOUSES, readImports } from "./support/imports.ts";

/** The rooms that each room may import, itself and its hallway left out. */
const ARROWS: Record<string, string[]> = {
  "actors/system": [],
  "actors/registry": ["actors/system"],
  "actors/ownership": ["actors/system", "actors/registry"],
  "actors/durable": ["actors/system", "actors/registry", "actors/ownership"],
  "actors/outline": ["actors/system"],
  "actors/pipeline": ["actors/system", "actors/outline"],
  "actors/graph": ["actors/system", "actors/outline", "actors/pipeline"],
  "actors/cluster": ["actors/system", "actors/pipeline", "actors/graph"],
  "actors/journal": ["actors/system", "actors/registry", "actors/cluster"],
  "actors/arbiter": ["actors/system", "actors/pipeline"],
  "actors/generation": ["actors/system", "actors/outline", "actors/pipeline", "actors/arbiter"],

  "models/arch": [],
  "models/calibration": [],
  "models/graph": ["models/arch"],
  "models/sources": ["models/arch"],
  "models/text": [],
  "models/grammar": ["models/text"],
  "models/tools": ["models/grammar", "models/text"],
  "models/store": ["models/arch", "models/calibration", "models/sources", "models/text"],
  "models/hub": ["models/arch", "models/sources", "models/store"],

  "planner/cost": [],
  "planner/sequence": ["planner/cost"],
  "planner/decode": ["planner/cost", "planner/sequence"],
  "planner/placement": [],
  "planner/simulator": ["planner/cost", "planner/decode"],

  "runtime/access": [],
  "runtime/discovery": [],
  "runtime/engine": [],
  "runtime/http2": [],
  "runtime/mailbox": ["runtime/http2"],
  "runtime/grammar": [],
  "runtime/registry": [],
  "runtime/etcd": ["runtime/registry", "runtime/trust"],
  "runtime/telemetry": [],
  "runtime/weights": [],
  "runtime/trust": ["runtime/http2", "runtime/mailbox"],
  "runtime/succession": ["runtime/http2", "runtime/mailbox", "runtime/trust"],
  "runtime/doctor": [
    ...["runtime/discovery", "runtime/mailbox", "runtime/registry", "runtime/trust"],
  ],
  "runtime/page": [],
  "runtime/api": ["runtime/access", "runtime/page"],
  "runtime/batches": ["runtime/api"],
  "runtime/quality": ["runtime/engine"],
  "runtime/pull": ["runtime/api", "runtime/quality"],
  "runtime/profile": ["runtime/engine", "runtime/mailbox"],
  "runtime/custom": ["runtime/api", "runtime/mailbox"],
  "runtime/serve": ["runtime/api", "runtime/grammar"],
  "runtime/cluster": [
    ...["runtime/engine", "runtime/mailbox", "runtime/profile", "runtime/serve", "runtime/trust"],
    "runtime/weights",
  ],
  "runtime/seat": [
    ...["runtime/api", "runtime/cluster", "runtime/custom", "runtime/etcd", "runtime/registry"],
    ...["runtime/serve", "runtime/trust", "runtime/weights"],
  ],
  "runtime/cli": [
    ...["runtime/access", "runtime/cluster", "runtime/custom", "runtime/doctor", "runtime/engine"],
    ...["runtime/etcd", "runtime/mailbox", "runtime/profile", "runtime/quality"],
    ...["runtime/registry", "runtime/seat", "runtime/serve", "runtime/telemetry", "runtime/trust"],
  ],
};

/** The rooms of other houses that a house may import. */
const HOUSE_ARROWS: Record<string, string[]> = {
  actors: [],
  models: ["actors/system"],
  planner: ["actors"],
  runtime: [
    ...["actors", "actors/system", "actors/registry", "actors/outline", "actors/pipeline"],
    ...["models", "models/grammar", "models/graph", "models/text", "models/tools"],
    "planner",
  ],
};

/** Files that may be imported beside a room's door, and why. */
const SIDE_DOORS: Record<string, string> = {
  "actors/system/errors.ts": "the engine and models throw errors and need no zod",
  "actors/pipeline/partials.ts": "the engine chooses tokens, and needs no schema",
  "actors/pipeline/random.ts": "the engine draws tokens, and needs no schema",
  "models/head_parts.ts": "the engine cuts the vocabulary, and reads no checkpoints",
  "models/grammar/constraint.ts":
    "the API names its types, and checks without the models' packages",
  "models/tools/tool_use.ts": "as the file before",
  "models/path_text.ts": "paths are told from names without the models' packages",
  "models/graph/contract.ts": "the engine needs names of inputs, not the graph builder",
};

/** Rooms of programs: each file is started by a task, and nobody imports them. */
const PROGRAMS = ["runtime/cli"];

const ROOT = join(import.meta.dirname!, "..");
const { files, local, packages } = await readImports(ROOT);

const roomOf = (file: string): string => file.split("/").slice(0, -1).slice(0, 2).join("/");
const houseOf = (file: string): string => file.split("/")[0];
const text = ({ from, to }: FileImport): string => `${from} -> ${to}`;

/** Imports from one room to another. */
const crossing = local.filter(({ from, to }) => roomOf(from) !== roomOf(to));

Deno.test("readImports() finds the product's rooms, each of them in the table", () => {
  const rooms = new Set(files.map(roomOf).filter((room) => room.includes("/")));
  for (const data of ["models/embedded", "models/training"]) rooms.delete(data);
  assert.deepEqual([...rooms].sort(), Object.keys(ARROWS).sort());
  assert.ok(crossing.length > 100, "the imports were read");
});

Deno.test("ARROWS lists every import between rooms", () => {
  const wrong = crossing.filter(({ from, to }) => {
    const [a, b] = [roomOf(from), roomOf(to)];
    if (houseOf(from) !== houseOf(to)) return !HOUSE_ARROWS[houseOf(from)].includes(b);
    if (a === houseOf(from)) return false; // a hallway puts its house's rooms together
    return b !== houseOf(to) && !ARROWS[a].includes(b);
  });
  assert.deepEqual(wrong.map(text), []);
});

Deno.test("SIDE_DOORS lists every import past a room's mod.ts", () => {
  const bypassed = crossing.filter(({ from, to }) => {
    const hallway = roomOf(to) === houseOf(from) && houseOf(to) === houseOf(from);
    return !to.endsWith("/mod.ts") && !hallway && !(to in SIDE_DOORS);
  });
  assert.deepEqual(bypassed.map(text), []);
  const unused = Object.keys(SIDE_DOORS).filter((door) => !crossing.some(({ to }) => to === door));
  assert.deepEqual(unused, []);
  assert.deepEqual(crossing.filter(({ to }) => PROGRAMS.includes(roomOf(to))).map(text), []);
});

Deno.test("mod.ts stands in every room of more than three files and says what the room is for", async () => {
  const byFolder = Map.groupBy(files, dirname);
  for (const [folder, inside] of byFolder) {
    if (inside.length <= 3 || PROGRAMS.includes(folder)) continue;
    assert.ok(
      inside.includes(`${folder}/mod.ts`),
      `${folder} has ${inside.length} files, no mod.ts`,
    );
    const [, purpose] =
      /^\/\*\*(.*?)@module/s.exec(await Deno.readTextFile(`${ROOT}/${folder}/mod.ts`)) ??
        [];
    assert.ok((purpose ?? "").length > 60, `the text of ${folder}/mod.ts says too little`);
  }
});

Deno.test("every file that the text of a mod.ts names exists", async () => {
  const missing: string[] = [];
  for (const door of files.filter((file) => file.endsWith("/mod.ts"))) {
    const [text] = (await Deno.readTextFile(join(ROOT, door))).split("@module");
    for (const [, name] of text.matchAll(/`([a-z0-9_/]+\.ts)`/g)) {
      const places = [join(ROOT, dirname(door), name), join(ROOT, name)];
      if (!places.some((place) => existsSync(place))) missing.push(`${door}: ${name}`);
    }
  }
  assert.deepEqual(missing, []);
});

Deno.test("docs/architecture.md lists the rooms with the arrows of ARROWS", async () => {
  const page = await Deno.readTextFile(join(ROOT, "docs/architecture.md"));
  const rows = [...page.matchAll(/^\| `([a-z]+\/[a-z0-9]+)` +\|[^|]*\|([^|]*)\|$/gm)];
  const listed = rows.map(([, room, names]) => {
    const [house] = room.split("/");
    return [
      room,
      names.split(",").map((n) => n.trim()).filter(Boolean).map((n) => `${house}/${n}`),
    ];
  });
  assert.deepEqual(Object.fromEntries(listed), ARROWS);
});

Deno.test("circles() finds none among the product's files, types included", () => {
  assert.deepEqual(circles(local).map((circle) => circle.join(" -> ")), []);
});

Deno.test("circles() finds a circle that is there", () => {
  const arrows = [["a", "b"], ["b", "c"], ["c", "b"], ["c", "d"]];
  assert.deepEqual(circles(arrows.map(([from, to]) => ({ from, to }))), [["b", "c", "b"]]);
});

Deno.test("HOUSES import nothing from tests, examples or elsewhere", () => {
  assert.deepEqual(local.filter(({ to }) => !HOUSES.includes(houseOf(to))).map(text), []);
});

Deno.test("actors/system imports nothing of the project, and from npm only zod", () => {
  const framework = (file: string) => roomOf(file) === "actors/system";
  const out = local.filter(({ from, to }) => framework(from) && !framework(to));
  assert.deepEqual(out.map(text), []);
  const names = new Set(packages.filter(({ from }) => framework(from)).map(({ name }) => name));
  assert.deepEqual([...names].filter((name) => !name.startsWith("node:")), ["zod"]);
});

Deno.test("actors/ and planner/ import nothing that reads files, opens sockets or runs models", () => {
  const world =
    /^(onnxruntime-node|hono|cborg|cbor-x|node:(fs|net|http2?|child_process|dgram|tls).*)$/;
  const wrong = packages.filter(({ from, name }) =>
    ["actors", "planner"].includes(houseOf(from)) && world.test(name)
  );
  assert.deepEqual(wrong, []);
});
