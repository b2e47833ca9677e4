/**
 * What changes between two reports of the cluster: load, traffic, and members that are gone. Pure.
 *
 * @module
 */

import { layersText } from "./format.js";

/** Milliseconds for which a member that is gone is still shown. */
const GONE_MS = 30_000;

/** What a member's state is called. */
export const STATES = {
  alive: "alive",
  suspect: "silent for too long",
  bad_link: "bad link",
  back: "back",
  silent: "does not answer",
  gone: "gone",
};

/**
 * @typedef {object} SeenMember
 * @property {any} told The member as the report has it.
 * @property {"alive" | "suspect" | "bad_link" | "back" | "silent" | "gone"} state
 * @property {string} why
 * @property {number} [cores] Cores that its process used since the last report.
 * @property {Map<string, {bytesPerS?: number, roundTripMs: number | null}>} links By node.
 * @property {string} [had] The layers that it had last.
 * @property {number} [goneAt] When it was seen to be gone, milliseconds.
 */

/**
 * The members with rates since the last report; those that are gone stay for a while.
 * @param {SeenMember[]} last
 * @param {any} report
 * @param {number} now Milliseconds.
 * @returns {SeenMember[]}
 */
export function seenMembers(last, report, now) {
  const before = new Map(last.map((member) => [member.told.node, member]));
  const work = workOf(report.deployment);
  const here = new Map(report.members.map((/** @type {any} */ told) => {
    const past = before.get(told.node);
    const layers = (work.get(told.node)?.stages ?? [])
      .map(({ first, last }) => layersText(first, last)).join(", ");
    return [told.node, { ...seen(told, past), had: layers || past?.had }];
  }));
  // Boxes stay where they are: those that were here keep their places, new ones follow.
  const stayed = last.flatMap((member) => {
    const { told: { node }, goneAt = now } = member;
    if (here.has(node)) return [here.get(node)];
    const why = "it is no member any more";
    const gone = { ...member, state: "gone", why, cores: undefined, links: new Map(), goneAt };
    return now - goneAt < GONE_MS ? [gone] : [];
  });
  return [...stayed, ...[...here.values()].filter(({ told }) => !before.has(told.node))];
}

/** @returns {SeenMember} */
function seen(told, before) {
  const { vitals } = told;
  const past = before?.told.vitals;
  const silent = !vitals && told.health === "alive";
  const ms = vitals && past ? vitals.at_ms - past.at_ms : 0;
  // A report that was given twice, or a node that was started again, shows no rates.
  const old = ms > 0 ? past : undefined;
  return {
    told,
    state: silent ? "silent" : told.health,
    why: told.why ?? told.vitals_why ?? "",
    cores: old ? Math.max(0, (vitals.cpu_ms - old.cpu_ms) / ms) : before?.cores,
    links: new Map((vitals?.links ?? []).map((link) => {
      const earlier = old?.links.find(({ node }) => node === link.node);
      const carried = earlier && link.bytes_sent + link.bytes_received -
          earlier.bytes_sent - earlier.bytes_received;
      return [link.node, {
        roundTripMs: link.state === "up" ? link.round_trip_ms : null,
        bytesPerS: earlier
          ? Math.max(0, 1000 * carried / ms)
          : before?.links.get(link.node)?.bytesPerS,
      }];
    })),
  };
}

/**
 * The links between members, each pair once: what either end knows of it.
 * @param {SeenMember[]} members
 * @returns {{a: string, b: string, roundTripMs?: number, bytesPerS?: number}[]}
 */
export function linksBetween(members) {
  return members.flatMap((a, i) =>
    members.slice(i + 1).flatMap((b) => {
      const ends = [a.links.get(b.told.node), b.links.get(a.told.node)].filter(Boolean);
      if (ends.length === 0) return [];
      const times = ends.map(({ roundTripMs }) => roundTripMs).filter((ms) => ms !== null);
      const rates = ends.map(({ bytesPerS }) => bytesPerS).filter((rate) => rate !== undefined);
      return [{
        ...{ a: a.told.node, b: b.told.node },
        roundTripMs: times.length > 0 ? Math.min(...times) : undefined,
        bytesPerS: rates.length > 0 ? Math.max(...rates) : undefined,
      }];
    })
  );
}

/**
 * Copies that serve beside the default deployment's first one, which the report has.
 * @param {{deployments?: any[]} | undefined} value What `GET /api/deployments` answers.
 * @param {any} deployment That of the report.
 * @returns {{title: string, name: string, model: string, stages: any[]}[]}
 */
export function copiesBeside(value, deployment) {
  return (value?.deployments ?? []).flatMap(({ name, model, copies }) =>
    copies.flatMap(({ copy, id, stages = [] }) =>
      stages.length === 0 || id === deployment?.id
        ? []
        : [{ title: copies.length > 1 ? `${name}, copy ${copy}` : name, name, model, stages }]
    )
  );
}

/**
 * The work of each node: its layers, its share of the LM head, the drafter, and its layers in other
 * deployments.
 * @param {any} deployment
 * @param {ReturnType<typeof copiesBeside>} [others]
 * @returns {Map<string, {stages: {index: number, first: number, last: number}[], parts: number, drafts: boolean, whole: boolean, others: {title: string, first: number, last: number}[]}>}
 */
export function workOf(deployment, others = []) {
  const work = new Map();
  const of = (/** @type {string} */ node) => {
    const none = { stages: [], parts: 0, drafts: false, whole: false, others: [] };
    if (!work.has(node)) work.set(node, none);
    return work.get(node);
  };
  for (const { title, stages } of others) {
    for (const { node, first, last } of stages) of(node).others.push({ title, first, last });
  }
  const { stages = [], head, draft, solo } = deployment ?? {};
  for (const [index, { node, first, last }] of stages.entries()) {
    of(node).stages.push({ index, first, last });
  }
  if (head) {
    for (const { node, first_part, last_part } of head) {
      of(node).parts += 1 + last_part - first_part;
    }
  } else if (stages.length > 0) of(stages.at(-1).node).parts = 8;
  if (draft) of(draft.node).drafts = true;
  if (solo) of(solo.node).whole = true;
  return work;
}
