/**
 * Deterministic simulations of the product's actors: each is a function of a seed, over virtual time.
 * The gate runs a few seeds of each (`tests/*_simulation_test.ts`), `deno task test:simulation` many.
 *
 * @module
 */
import { DURABLE } from "./durable.ts";
import { GENERATION } from "./generation.ts";
import { HOSTILE } from "./hostile.ts";
import { JOURNAL } from "./journal.ts";
import { MEMBERSHIP } from "./membership.ts";
import { MOVES } from "./moves.ts";
import { OUTLINE } from "./outline.ts";
import { OWNERSHIP } from "./ownership.ts";
import { PLACEMENT } from "./placement.ts";
import { REBUILD } from "./rebuild.ts";
import { RECOVERY } from "./recovery.ts";
import { REPAIR } from "./repair.ts";
import { RESUME } from "./resume.ts";
import { ROUTE } from "./route.ts";
import type { SimulationArea } from "./simulation_area.ts";
import { SPECULATION } from "./speculation.ts";
import { WINDOWS } from "./windows.ts";

/** Every simulation, in the order in which they are run. */
export const AREAS: readonly SimulationArea[] = [
  OWNERSHIP,
  DURABLE,
  JOURNAL,
  MEMBERSHIP,
  GENERATION,
  SPECULATION,
  OUTLINE,
  ROUTE,
  RESUME,
  RECOVERY,
  REBUILD,
  WINDOWS,
  REPAIR,
  MOVES,
  PLACEMENT,
  HOSTILE,
];
