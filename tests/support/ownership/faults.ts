/**
 * Which faults happen when in a simulated world.
 *
 * @module
 */
import { FAULTS_MS, TTL_MS } from "./setting.ts";
import type { OwnershipWorld } from "./world.ts";

/** Most milliseconds of a crash's pause, a cut, or a frozen process: three leases. */
const LONGEST_MS = 3 * TTL_MS;

/** Draws 4 to 12 faults and sets their times; all are over at the end of `FAULTS_MS`. */
export function drawFaults(world: OwnershipWorld): void {
  const count = 4 + Math.floor(world.random() * 9);
  for (let i = 0; i < count; i++) {
    const at = world.between(0, FAULTS_MS - 100);
    world.time.after(at, () => fault(world));
  }
}

function fault(world: OwnershipWorld): void {
  const { time, nodes } = world;
  const place = Math.floor(world.random() * nodes.length);
  const node = nodes[place];
  const left = FAULTS_MS - time.now;
  const ms = Math.min(left, world.between(20, LONGEST_MS));
  const { line, process } = node;
  const then = (fn: () => void) => void time.after(ms, fn);
  switch (Math.floor(world.random() * 10)) {
    case 0: // it dies, and comes back under another id
      node.die();
      return then(() => nodes[place].process.alive || world.begin(place));
    case 1: // its process stands still
    case 2:
      process.freeze();
      return then(() => process.thaw());
    case 3: // it loses the registry
    case 4:
      line.cut = true;
      return then(() => line.cut = false);
    case 5: // it loses the other nodes
      for (const other of nodes) if (other !== node) world.network.cut(node.name, other.name);
      return then(() => {
        for (const other of nodes) {
          if (other.process.alive) world.network.heal(node.name, other.name);
        }
      });
    case 6: // what it asks of the registry is lost, unheard, or lands late
      line.lossy = world.between(0.1, 0.5);
      line.late = world.between(0, 0.3);
      line.lateMs = world.between(50, LONGEST_MS);
      return then(() => {
        line.lossy = line.late = 0;
      });
    case 9: // what it writes lands late
      line.late = world.between(0.3, 0.8);
      line.lateMs = world.between(TTL_MS / 2, LONGEST_MS);
      return then(() => {
        line.late = 0;
      });
    case 7: // the registry's server stands still, and begins the time of all leases anew
      world.serverUp = false;
      return then(() => {
        world.serverUp = true;
        world.server.restart();
      });
    case 8: // somebody gives up what it owns; watches lose their place
      world.server.compact();
      process.run(() => node.giveUp());
  }
}
