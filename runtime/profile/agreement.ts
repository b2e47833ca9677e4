/**
 * Measures a model until a second measurement agrees with the first.
 *
 * A machine that measures itself beside other work looks slower than it is, and a plan then gives its
 * layers to others. Other work only ever takes time away: so the fastest profile counts, once a
 * shorter measurement after it has found the same speed.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Manifest } from "../../models/mod.ts";
import type { Profile } from "./profile.ts";
import { stageSeconds } from "./stage_seconds.ts";

const log = getLogger(["orrery", "profile"]);

/**
 * Two measurements agree if no frame takes more than this share longer in one than in the other: as
 * much as frames may drift from a profile before they are measured again.
 */
export const AGREE = 0.2;
/** Most measurements, the first one counted. */
export const MOST_RUNS = 6;
/** No further measurement begins after this time: a plan waits for it. Milliseconds. */
const LONGEST_MS = 30_000;
/** Frames whose times differ by less than this count as equal: a hop between nodes takes as long. Seconds. */
const SAME_S = 0.002;
/** The frames that are compared: a step of decoding, and a piece of a prompt. */
const FRAMES = [{ rows: 1, past: 0, wanted: 1 }, { rows: 64, past: 0, wanted: 1 }];

/** How a model is measured. */
export interface Measuring {
  /** Measures a whole profile. */
  full(): Promise<Profile>;
  /** Measures the few points that are compared. */
  short(): Promise<Profile>;
  /** Milliseconds of a clock that never goes back. @default `performance.now` */
  now?: () => number;
}

/** Measures the model; at most {@linkcode MOST_RUNS} times, and says in the log if no two agree. */
export async function measureUntilAgreed(
  { geometry, name }: Pick<Manifest, "geometry" | "name">,
  { full, short, now = () => performance.now() }: Measuring,
): Promise<Profile> {
  const whole = { first: 0, last: geometry.layers - 1 };
  /** Seconds of each of {@linkcode FRAMES} on all layers. */
  const times = (profile: Profile) =>
    FRAMES.map((frame) => stageSeconds(profile, { geometry }, whole, frame));
  const until = now() + LONGEST_MS;
  let best = await full();
  for (let runs = 1;;) {
    const again = await short();
    runs++;
    const known = times(best);
    const pairs = times(again).map((time, i) => [time, known[i]]);
    const share = Math.max(...pairs.map(([a, b]) => apart(a, b)));
    if (share <= AGREE) return best;
    const percent = Math.round(100 * share);
    if (runs + 2 > MOST_RUNS || now() > until) { // a round has two measurements at most
      log.warn(
        "{runs} measurements of {model} do not agree, the last one is {percent} % apart: other work takes this " +
          "machine's time, and the plan may give this node too few layers until its frames show how fast it is",
        { runs, model: name, percent },
      );
      return best;
    }
    log.info(
      "a second measurement of {model} is {percent} % apart: other work disturbed one of them",
      { model: name, percent },
    );
    // The one that was faster is right: where it is the short one, the whole profile is not.
    if (pairs.some(([now, before]) => now < before && apart(now, before) > AGREE)) {
      const next = await full();
      runs++;
      if (times(next)[0] < known[0]) best = next;
    }
  }
}

/** By what share of the shorter time two times in seconds differ; 0 where both are tiny. */
const apart = (a: number, b: number): number =>
  Math.abs(a - b) < SAME_S ? 0 : Math.max(a, b) / Math.min(a, b) - 1;
