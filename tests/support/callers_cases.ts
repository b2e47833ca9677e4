/**
 * Who on other nodes may send what, in a cluster of five nodes: the senders, and for each message of
 * each kind those whom it must be taken from.
 *
 * @module
 */
import {
  type AnyActor,
  arbiterActor,
  arbiterAddress,
  arenaName,
  CLUSTER,
  clusterActor,
  customAddress,
  type Deployment,
  deploymentSchema,
  drafterActor,
  drafterAddress,
  freshAddress,
  generationActor,
  headActor,
  headAddress,
  journalActor,
  journalAddress,
  keyAt,
  memberActor,
  memberAddress,
  REGISTRY,
  registryActor,
  SERVERS,
  serversActor,
  SOLO,
  stageActor,
  stageAddress,
  weightsActor,
  weightsAddress,
} from "../../actors/mod.ts";
import { ClusterDirectory } from "../../runtime/cluster/directory.ts";
import { homeActor } from "../../runtime/custom/actor_home.ts";
import { modelActor } from "../../runtime/custom/model_actor.ts";
import { customDefinition, type LoadedActor } from "../../runtime/custom/definition.ts";

/** The definition of a custom actor with these messages, of which other nodes may send `open`. */
export const custom = (messages: string[], open: string[]): AnyActor =>
  customDefinition({
    name: "guard",
    description: { messages, urgent: [], concurrent: [], policy: {} },
    messages,
    messageBytes: 1024,
    filters: false,
    open,
  } as unknown as LoadedActor, {
    enter: () => Promise.reject(new Error("no worker here")),
    take: () => Promise.reject(new Error("no worker here")),
  });

const deployment = (id: string, on: string[], members: string[]): Deployment =>
  deploymentSchema.parse({
    id,
    model: "m",
    source: "n1",
    stages: on.map((node, i) => ({ node, first: i, last: i })),
    head: [{ node: on[0], first_part: 0, last_part: 3 }, {
      node: on[1],
      first_part: 4,
      last_part: 7,
    }],
    solo: { node: on[1] },
    draft: { node: on[1], model: "d", source: "n1" },
    members: members.map((node) => ({ node, host: "h", port: 1, cores: 1, memory_bytes: 1 })),
  });

/** Ids of the nodes of the cluster. */
export const NODES = ["n1", "n2", "n3", "n4", "n5"];
/** Stages, shards and drafter of deployment d are on n2 and n3, those of e on n4 and n5. */
const DEPLOYMENTS = [deployment("d", ["n2", "n3"], NODES), deployment("e", ["n4", "n5"], NODES)];

/** The directory of one of these nodes. */
export const directoryOf = (node: string) => {
  const directory = new ClusterDirectory(node);
  directory.follow({ node: "n1", epoch: 1 });
  for (const made of DEPLOYMENTS) directory.learn(made);
  directory.homes.owned("guard", { node: "n1", epoch: 1 });
  directory.homes.owned("panel", { node: "n4", epoch: 1 });
  return directory;
};

const generation4 = freshAddress("n4", "generation");
const generation5 = freshAddress("n5", "generation");

/** Everybody who may try, each with the node that it truly is on. */
export const SENDERS: Record<string, { peer: string; from: string }> = {
  "n1": { peer: "n1", from: "" },
  "cluster actor": { peer: "n1", from: CLUSTER },
  "n2": { peer: "n2", from: "" },
  "n4": { peer: "n4", from: "" },
  "n5": { peer: "n5", from: "" },
  "member n4": { peer: "n4", from: memberAddress("n4") },
  "d/stage/0": { peer: "n2", from: stageAddress("d", 0) },
  "d/stage/1": { peer: "n3", from: stageAddress("d", 1) },
  "d/stage/solo": { peer: "n3", from: stageAddress("d", SOLO) },
  "d/head/0": { peer: "n2", from: headAddress("d", 0) },
  "d/drafter": { peer: "n3", from: drafterAddress("d") },
  "e/stage/0": { peer: "n4", from: stageAddress("e", 0) },
  "e/head/0": { peer: "n4", from: headAddress("e", 0) },
  "d/arbiter n4": { peer: "n4", from: arbiterAddress("d", "n4") },
  "d/arbiter n4 solo": { peer: "n4", from: arbiterAddress("d", keyAt("n4", SOLO)) },
  "d/arbiter n5": { peer: "n5", from: arbiterAddress("d", "n5") },
  "e/arbiter n4": { peer: "n4", from: arbiterAddress("e", "n4") },
  "Generation n4": { peer: "n4", from: generation4 },
  "Generation n5": { peer: "n5", from: generation5 },
  "graph's actor n4": { peer: "n4", from: customAddress("panel") },
  // An actor of a user's kind, which says nothing of where it lives.
  "unknown": { peer: "n4", from: "t/thing/one" },
};
export const EVERYBODY = Object.keys(SENDERS);

/** The arena and the chain of requests of node n4, of the pipeline and of the whole model. */
const owned = { arena: arenaName("n4", "f00", 3), reply_to: arbiterAddress("d", "n4") };
const soloKey = keyAt("n4", SOLO);
const ownedSolo = { arena: arenaName(soloKey, "f00", 0), reply_to: arbiterAddress("d", soloKey) };
const chain = { chain: `${generation4}/plain`, reply_to: generation4 };

/** A message, and who may send it. */
interface Case {
  actor: AnyActor;
  to: string;
  /** The node that the receiver lives on. */
  at: string;
  message: string;
  body?: Record<string, unknown>;
  allowed: string[];
}

/** Cases of messages with the same body, and by whom each may be sent. */
const cases = (
  base: Omit<Case, "message" | "allowed">,
  allowed: Record<string, string[]>,
): Case[] => Object.entries(allowed).map(([message, who]) => ({ ...base, message, allowed: who }));

const layout = { reply_to: owned.reply_to, capacity: 4 };
const n4Joins = { node: "n4", host: "h", port: 1, cores: 1, memory_bytes: 1 };
const OF_N4 = EVERYBODY.filter((name) => SENDERS[name].peer === "n4");
const FIRST = EVERYBODY.filter((name) => SENDERS[name].peer === "n1");
const PIPELINE_D = ["d/stage/0", "d/stage/1", "d/stage/solo", "d/head/0"];
const GENERATIONS = ["Generation n4", "Generation n5"];
const OWNER = ["d/arbiter n4"];

/** Cases of a registry's key, and by whom it may be read and written. */
const registryCases = (key: unknown, { read, write }: { read: string[]; write: string[] }) => [
  ...cases({ actor: registryActor, to: REGISTRY, at: "n1", body: { key } }, { get: read }),
  ...cases({ actor: registryActor, to: REGISTRY, at: "n1", body: { prefix: key } }, {
    list: read,
    watch: read,
  }),
  ...[{ sets: [{ key }] }, { deletes: [key] }].flatMap((body) =>
    cases({ actor: registryActor, to: REGISTRY, at: "n1", body }, { transact: write })
  ),
];

/** Each message of each kind, and who may send it. */
export const CASES: Case[] = [
  ...cases({ actor: clusterActor, to: CLUSTER, at: "n1", body: n4Joins }, {
    join: OF_N4,
    leave: OF_N4,
    lost: [],
    broke: [],
    listed: OF_N4,
    status: EVERYBODY.filter((name) => SENDERS[name].peer !== "n1"),
    replan: EVERYBODY,
    broken: EVERYBODY,
    fetching: OF_N4,
    check_up: EVERYBODY,
    apply: EVERYBODY,
    plan: EVERYBODY,
    delete: EVERYBODY,
    deployments: EVERYBODY,
    wake: EVERYBODY,
  }),
  ...cases({ actor: memberActor, to: memberAddress("n3"), at: "n3", body: n4Joins }, {
    prepare: FIRST,
    load_ahead: FIRST,
    stand_by: FIRST,
    adopt: FIRST,
    prove: FIRST,
    activity: FIRST,
    kv_room: EVERYBODY,
    release: FIRST,
    retire: FIRST,
    holds: FIRST,
    node_lost: FIRST,
    drain: FIRST,
    ping: EVERYBODY,
    reach: EVERYBODY,
    profile: FIRST,
    probe: FIRST,
    links: FIRST,
    examine: FIRST,
    vitals: EVERYBODY,
    logs: EVERYBODY,
    clock: EVERYBODY,
    echo: EVERYBODY,
  }),
  ...cases({ actor: weightsActor, to: weightsAddress("n1"), at: "n1" }, {
    manifest: EVERYBODY,
    have: EVERYBODY,
    blob: EVERYBODY,
  }),
  ...cases({ actor: stageActor, to: stageAddress("d", 0), at: "n2", body: owned }, {
    frame: OWNER,
    late: OWNER,
    realign: OWNER,
    rebuild: OWNER,
    cancel: OWNER,
    touch: OWNER,
    close: OWNER,
    warm: GENERATIONS,
    retire: [],
    stats: GENERATIONS,
  }),
  ...cases({ actor: stageActor, to: stageAddress("d", 1), at: "n3", body: owned }, {
    frame: ["d/stage/0"],
    late: OWNER,
    realign: OWNER,
    rebuild: OWNER,
    cancel: OWNER,
    touch: OWNER,
    close: OWNER,
    warm: GENERATIONS,
    retire: [],
  }),
  ...cases({ actor: stageActor, to: stageAddress("d", SOLO), at: "n3", body: ownedSolo }, {
    frame: ["d/arbiter n4 solo"],
    close: ["d/arbiter n4 solo"],
    retire: [],
  }),
  // The results must go to the arbiter that owns the arena.
  ...cases({ actor: stageActor, to: stageAddress("d", 0), at: "n2", body: { ...owned, layout } }, {
    frame: OWNER,
  }),
  ...[memberAddress("n3"), arbiterAddress("d", "n5"), arbiterAddress("e", "n4"), "no address", 7]
    .flatMap((reply_to) => [
      ...cases({
        actor: stageActor,
        to: stageAddress("d", 0),
        at: "n2",
        body: { ...owned, layout: { reply_to } },
      }, { frame: [], rebuild: [] }),
      ...cases({
        actor: stageActor,
        to: stageAddress("d", 1),
        at: "n3",
        body: { ...owned, layout: { reply_to } },
      }, { frame: [] }),
      ...cases(
        { actor: headActor, to: headAddress("d", 1), at: "n3", body: { ...owned, reply_to } },
        { normed: [] },
      ),
    ]),
  // Arenas whose names only look like those of n4.
  ...["n4", "n4.", "n4.f00", "n4.x.f00.3", "n45.f00.3", ".f00.3", "", 4, null].flatMap((arena) =>
    cases({ actor: stageActor, to: stageAddress("d", 0), at: "n2", body: { arena } }, {
      frame: [],
      close: [],
      cancel: [],
    })
  ),
  ...cases({ actor: headActor, to: headAddress("d", 1), at: "n3", body: owned }, {
    normed: ["d/stage/0", "d/stage/1", "d/stage/solo"],
    more: OWNER,
    cancel: OWNER,
    touch: OWNER,
    close: OWNER,
    warm: [],
    retire: [],
  }),
  ...cases({ actor: drafterActor, to: drafterAddress("d"), at: "n3", body: chain }, {
    draft: ["Generation n4"],
    close: ["Generation n4"],
    warm: [],
    retire: [],
    stats: [],
  }),
  ...cases({
    actor: drafterActor,
    to: drafterAddress("d"),
    at: "n3",
    body: { chain: chain.chain, reply_to: generation5 },
  }, { draft: [] }),
  ...cases({ actor: arbiterActor, to: arbiterAddress("d", "n5"), at: "n5", body: owned }, {
    open: [],
    rows: [],
    mask: [],
    drop: [],
    close: [],
    tokens: PIPELINE_D,
    partial: PIPELINE_D,
    failed: PIPELINE_D,
    rebuilt: PIPELINE_D,
    retiring: PIPELINE_D,
    lost: [],
    superseded: [],
    replaced: [],
    outlook: [],
    stats: [],
    traces: [],
  }),
  ...cases({ actor: generationActor, to: generation5, at: "n5", body: chain }, {
    start: [],
    tokens: [],
    drafted: ["d/drafter"],
    undrafted: ["d/drafter"],
    failed: [],
    cancel: [],
    walked: [],
  }),
  ...cases({ actor: journalActor, to: journalAddress("n5"), at: "n5", body: { origin: "n4" } }, {
    append: OF_N4,
    locate: EVERYBODY,
    read: EVERYBODY,
  }),
  ...cases({ actor: registryActor, to: REGISTRY, at: "n1" }, {
    get: [],
    list: [],
    transact: EVERYBODY, // it names no key
    grant: EVERYBODY,
    keep_alive: EVERYBODY,
    revoke: EVERYBODY,
    watch: [],
  }),
  ...["members/n9", "coordinator", "serving", "deployments/d", "owners/a/b/c", "trust/identities"]
    .flatMap((key) => registryCases(key, { read: EVERYBODY, write: [] })),
  ...["members/n4", "owners/node/n4", "owners/orrery/member/n4", `owners/${generation4}`]
    .flatMap((key) => registryCases(key, { read: EVERYBODY, write: OF_N4 })),
  // Whichever node has the copies goes on with another's requests.
  ...["journals/n4", "journals/n9", "idempotency/00"]
    .flatMap((key) => registryCases(key, { read: EVERYBODY, write: EVERYBODY })),
  ...[`state/${generation4}/7/name`, "state/d/arbiter/n4/"]
    .flatMap((key) => registryCases(key, { read: OF_N4, write: OF_N4 })),
  // Secrets, keys that only look like others, and keys of actors that live elsewhere or nowhere.
  ...[
    ...["trust/authority", "trust/tokens", "trust/", "trust", "trust/identities/", "tokens/1", ""],
    ...[
      "members",
      "member/n4",
      "coordinator/",
      "servings",
      "self-test/1",
      "state/",
      "journal/d",
      "idempotency",
    ],
    ...["state/orrery/cluster/main/1/x", "state/orrery/member/n"],
    ...["state/t/thing/one/1/x", "state/orrery/member/n4", "state///", 7, null, undefined, {}],
  ].flatMap((key) => registryCases(key, { read: [], write: [] })),
  ...[
    "members/n4/",
    "members/n44",
    "owners/node/n9",
    "owners/node/",
    "owners/orrery/cluster/main",
    "owners/",
    "owners/d/arbiter",
  ]
    .flatMap((key) => registryCases(key, { read: EVERYBODY, write: [] })),
  // One key among several that the sender may not write, or a list that is none.
  ...[
    { sets: [{ key: "members/n4" }, { key: "members/n5" }] },
    { deletes: ["members/n4", "trust/tokens"] },
    { sets: [{ key: "members/n4" }], checks: [{ key: "trust/authority" }] },
    { sets: { key: "members/n4" } },
    { sets: [null] },
    { deletes: 1 },
  ].flatMap((body) =>
    cases({ actor: registryActor, to: REGISTRY, at: "n1", body }, { transact: [] })
  ),
  ...cases({
    actor: registryActor,
    to: REGISTRY,
    at: "n1",
    body: {
      sets: [{ key: "members/n4" }],
      checks: [{ key: "coordinator" }],
      deletes: [`state/${generation4}/1/x`],
    },
  }, { transact: OF_N4 }),
  ...cases({ actor: serversActor, to: SERVERS, at: "n1" }, {
    count: EVERYBODY,
    offer: EVERYBODY,
  }),
  ...cases({ actor: homeActor, to: "orrery/actor_home/n1", at: "n1" }, {
    host: FIRST,
    leave: FIRST,
    keep: FIRST,
  }),
  ...cases({ actor: modelActor, to: "graph/model/main", at: "n1" }, { generate: [] }),
  ...cases({
    actor: custom(["request", "other"], ["request"]),
    to: "graph/guard/main",
    at: "n1",
  }, { request: EVERYBODY, other: ["graph's actor n4"] }),
];
