/**
 * Bandwidth that several links share: the uplink of a room, or the network card of one device.
 *
 * @module
 */
import type { Links, Uplink } from "../types.ts";

/** What a message on its way occupies besides the link of its two devices. */
export interface SharedWay {
  /** Name of the uplink and the direction, the same for all messages that share it. */
  part: string;
  /** Its bandwidth. */
  bytesPerS: number;
}

/** The uplinks of a cluster, each with two directions that do not disturb each other. */
export class SharedUplinks {
  readonly #uplinks: readonly Uplink[];
  /** Whether an uplink has a device. (uplinks, devices) */
  readonly #has: Uint8Array[];

  constructor(uplinks: readonly Uplink[], devices: number) {
    this.#uplinks = uplinks;
    this.#has = uplinks.map((uplink) => {
      const has = new Uint8Array(devices);
      for (const device of uplink.devices) has[device] = 1;
      return has;
    });
  }

  /** The uplinks that a message between two devices passes, each in its direction. */
  between(from: number, to: number): SharedWay[] {
    return this.#uplinks.flatMap(({ bytesPerS }, i) => {
      const [out, into] = [this.#has[i][from], this.#has[i][to]];
      return out === into ? [] : [{ part: `uplink ${i} ${out ? "out" : "in"}`, bytesPerS }];
    });
  }
}

/**
 * The links with no bandwidth above that of an uplink that they pass: a message that is alone is as
 * slow as the narrowest part of its way.
 */
export function narrowed(links: Links): Links {
  const { uplinks = [], bytesPerS } = links;
  if (uplinks.length === 0) return links;
  const shared = new SharedUplinks(uplinks, bytesPerS.length);
  return {
    ...links,
    bytesPerS: bytesPerS.map((row, from) =>
      row.map((own, to) => Math.min(own, ...shared.between(from, to).map((way) => way.bytesPerS)))
    ),
  };
}
