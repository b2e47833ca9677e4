import assert from "node:assert/strict";
import type { ListedMember } from "./member_list.ts";
import { type EtcdMembersView, type EtcdNode, nextChange } from "./next_change.ts";

const url = (name: string) => `https://${name}:1`;
const voter = (name: string): ListedMember => ({
  id: `id-${name}`,
  name,
  peerUrls: [url(name)],
  clientUrls: [`https://${name}:2`],
  learner: false,
});
const learner = (name: string): ListedMember => ({ ...voter(name), learner: true });
/** A member that was added and not started yet. */
const added = (name: string): ListedMember => ({
  ...learner(name),
  name: "",
  clientUrls: [],
});
/** A node that runs its member. */
const node = (name: string, more: Partial<EtcdNode> = {}): EtcdNode => ({
  name,
  peerUrl: url(name),
  memberId: `id-${name}`,
  fresh: true,
  running: true,
  ...more,
});
/** A node that runs nothing. */
const spare = (name: string): EtcdNode => ({
  ...node(name, { running: false }),
  memberId: undefined,
});

/** The change that is due, in words; `silent` has the milliseconds of members that are silent. */
function due(
  members: ListedMember[],
  nodes: EtcdNode[],
  { silent = {}, removed = [] }: { silent?: Record<string, number>; removed?: string[] } = {},
): string {
  const view: EtcdMembersView = {
    members,
    nodes,
    removed: new Set(removed),
    silentMs: ({ id }) => silent[id.slice(3)] ?? 0,
    goneMs: 300_000,
  };
  const change = nextChange(view);
  return change ? `${change.kind} ${change.name}` : "none";
}

const three = [voter("a"), voter("b"), voter("c")];
const nodes = [node("a"), node("b"), node("c")];

Deno.test("nextChange() grows from one member to three, in the order in which nodes came", () => {
  assert.equal(due([voter("a")], [node("a")]), "none");
  assert.equal(due([voter("a")], [node("a"), spare("b"), spare("c")]), "add b");
  assert.equal(
    due([voter("a"), added("b")], [node("a"), spare("b")], { silent: { b: 1 } }),
    "none",
  );
  // With two votes the loss of either would stop the registry: it waits for a third node.
  assert.equal(due([voter("a"), learner("b")], [node("a"), node("b")]), "none");
  const joined = [node("a"), node("b"), spare("c"), spare("d")];
  assert.equal(due([voter("a"), learner("b")], joined), "promote b");
  assert.equal(due([voter("a"), voter("b")], joined), "add c");
  assert.equal(due([voter("a"), voter("b"), learner("c")], [...nodes, spare("d")]), "promote c");
  assert.equal(due(three, [...nodes, spare("d")]), "none");
});

Deno.test("nextChange() promotes nobody while a member is silent", () => {
  const members = [voter("a"), voter("b"), learner("c")];
  assert.equal(due(members, nodes, { silent: { b: 1 } }), "none");
  assert.equal(due(members, nodes, { silent: { c: 1 } }), "none");
});

Deno.test("nextChange() replaces a member that is silent for long, if a node can replace it", () => {
  const four = [...nodes, spare("d")];
  assert.equal(due(three, four, { silent: { c: 299_999 } }), "none");
  assert.equal(due(three, four, { silent: { c: 300_000 } }), "remove c");
  assert.equal(due(three, nodes, { silent: { c: 300_000 } }), "none");
  assert.equal(due([voter("a"), voter("b")], [node("a"), node("b"), spare("d")]), "add d");
  // A learner keeps the place of others: it is given up sooner, and without a spare node.
  const growing = [voter("a"), added("b")];
  assert.equal(due(growing, [node("a"), spare("b")], { silent: { b: 30_000 } }), "remove b");
});

Deno.test("nextChange() takes out no member without which the living are no majority", () => {
  const silent = { b: 400_000, c: 400_000 };
  const four = [...nodes, spare("d")];
  assert.equal(due(three, four, { silent }), "none");
  assert.equal(due([voter("a")], [spare("d")], { silent: { a: 400_000 } }), "add d");
  assert.equal(due(three, four, { silent: { b: 1 }, removed: ["a"] }), "none");
});

Deno.test("nextChange() takes out the member of a node that was removed at once", () => {
  assert.equal(due(three, nodes, { removed: ["c"] }), "remove c");
  assert.equal(due(three, nodes, { removed: ["c"], silent: { c: 1 } }), "remove c");
  assert.equal(
    due([voter("a"), voter("b")], [node("a"), node("b"), spare("c")], {
      removed: ["c"],
    }),
    "none",
  );
});

Deno.test("nextChange() takes out a member whose node has lost its data", () => {
  assert.equal(due(three, [node("a"), node("b"), spare("c")], { silent: { c: 1 } }), "remove c");
  // Not before the node was heard: one that is off may have them.
  const off = { ...spare("c"), fresh: false };
  assert.equal(due(three, [node("a"), node("b"), off], { silent: { c: 1 } }), "none");
});

Deno.test("nextChange() notes a member's new address", () => {
  const moved = node("c", { peerUrl: "https://elsewhere:1" });
  assert.equal(due(three, [node("a"), node("b"), moved]), "update c");
});
