/**
 * Frames of `/api/trace`, sorted by the requests that they carried. Pure.
 *
 * @module
 */

/**
 * @typedef {object} TracedRequest
 * @property {string} id
 * @property {any[]} frames In order of sending.
 * @property {number} began When the first frame was sent, milliseconds.
 * @property {number} ended When the last one was answered.
 */

/**
 * The requests of these frames, the newest first.
 * @param {any[]} frames
 * @returns {TracedRequest[]}
 */
export function requestsOf(frames) {
  const found = new Map();
  for (const frame of frames) {
    for (const id of frame.requests) {
      if (!found.has(id)) found.set(id, []);
      found.get(id).push(frame);
    }
  }
  return [...found].map(([id, own]) => ({
    id,
    frames: own,
    began: Math.min(...own.map(({ sent_ms }) => sent_ms)),
    ended: Math.max(...own.map(({ answered_ms }) => answered_ms)),
  })).sort((a, b) => b.ended - a.ended);
}

/** What a frame mostly is. @param {any} frame */
export function kindOf({ kinds }) {
  if (kinds.prefill > 0) return "prompt";
  if (kinds.draft > 0) return "drafts";
  return kinds.decode > 1 ? "branches" : "decode";
}

/** The line of a stage, or of a shard of the LM head. */
export const laneOf = ({ stage, shard }) =>
  shard === undefined ? `stage ${stage}` : `head ${shard}`;

/** The order of lanes: stages, then shards of the head, by their numbers. */
export const byLane = (/** @type {string} */ a, /** @type {string} */ b) =>
  (a.startsWith("head") ? 1 : 0) - (b.startsWith("head") ? 1 : 0) || numberOf(a) - numberOf(b);

/** The number of a lane. */
export const numberOf = (/** @type {string} */ lane) => Number(lane.split(" ")[1]);

/**
 * Where the time of a request went: seconds of its span in which a stage computed for it, in which
 * its rows waited at a stage, in which they were under way, and in which this node worked. At each
 * moment one thing counts: computing before waiting before being under way.
 * @param {TracedRequest} request
 * @returns {{name: string, ms: number, kind: "stage" | "waiting" | "way" | "node", lane?: string}[]}
 */
export function partsOf({ frames, began, ended }) {
  const lanes = [...new Set(frames.flatMap(({ stages }) => stages.map(laneOf)))].sort(byLane);
  const marks = [];
  for (const frame of frames) {
    marks.push([frame.sent_ms, frame.answered_ms, "way"]);
    for (const times of frame.stages) {
      marks.push([times.received, times.began, "waiting"]);
      marks.push([times.began, times.ended, laneOf(times)]);
    }
  }
  const order = [...lanes, "waiting", "way"];
  const sums = new Map([...order, "node"].map((name) => [name, 0]));
  const edges = [...new Set([began, ended, ...marks.flatMap(([from, to]) => [from, to])])]
    .sort((a, b) => a - b);
  // What is open between two edges; marks by their begin, so that each is opened and closed once.
  const opens = [...marks].sort((a, b) => a[0] - b[0]);
  let open = [];
  let next = 0;
  for (let i = 0; i + 1 < edges.length; i++) {
    const [from, to] = [edges[i], edges[i + 1]];
    while (next < opens.length && opens[next][0] <= from) open.push(opens[next++]);
    open = open.filter(([, end]) => end > from);
    const computing = lanes.filter((lane) => open.some(([, , name]) => name === lane));
    if (computing.length > 0) {
      for (const lane of computing) add(sums, lane, (to - from) / computing.length);
    } else add(sums, order.find((name) => open.some(([, , o]) => o === name)) ?? "node", to - from);
  }
  const kind = (name) => lanes.includes(name) ? "stage" : name;
  return [...sums].filter(([, ms]) => ms > 0).map(([name, ms]) => ({ name, ms, kind: kind(name) }));
}

const add = (sums, name, ms) => sums.set(name, sums.get(name) + ms);
