/**
 * Checks a plan's input before anything is computed.
 *
 * @module
 */
import { didYouMean, OrreryError } from "../actors/mod.ts";
import { cleanTable } from "./cost/mod.ts";
import type { Device, PlanInput } from "./types.ts";

/** Least seconds of a layer that a device may have. No hardware is nearly as fast. */
const LEAST_LAYER_SECONDS = 1e-9;
/** Most seconds of anything that a device does in a frame. */
const MOST_SECONDS = 1e6;

/**
 * Checks names, times and sizes, and returns the devices with the user's memory limits applied.
 * Throws group `planner`: `no_devices`, `bad_links`, `unknown_host` for a constraint that names no
 * device, `bad_pin` for layers that the model does not have, `duplicate_device`, and `bad_device`
 * for times or sizes that no device can have.
 */
export function checkedDevices(input: PlanInput): Device[] {
  const { model, devices, links, constraints, coordinator, decode } = input;
  if (devices.length === 0) {
    throw bad("no_devices", "there is no device to plan with; describe or measure one");
  }
  const names = devices.map((d) => d.name);
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) {
    throw bad("duplicate_device", `two devices are called ${twice}; rename one`);
  }
  devices.forEach(checkDevice);
  for (
    const [what, matrix] of Object.entries({ seconds: links.seconds, bytesPerS: links.bytesPerS })
  ) {
    if (matrix.length !== names.length || matrix.some((row) => row.length !== names.length)) {
      throw bad(
        "bad_links",
        `links.${what} must be ${names.length} x ${names.length}, as there are ${names.length} devices`,
      );
    }
    for (const [i, row] of matrix.entries()) {
      const j = row.findIndex((value) => !(value >= 0));
      if (j < 0) continue;
      throw bad(
        "bad_links",
        `links.${what} from ${names[i]} to ${names[j]} is ${
          row[j]
        }, expected 0 or more; measure or describe that link again`,
      );
    }
  }
  for (const [i, { devices: on, bytesPerS }] of (links.uplinks ?? []).entries()) {
    const outside = on.find((device) => names[device] === undefined);
    if (outside === undefined && bytesPerS > 0) continue;
    throw bad(
      "bad_links",
      outside === undefined
        ? `links.uplinks[${i}] has ${bytesPerS} bytes a second, expected more than 0; describe it again`
        : `links.uplinks[${i}] has device ${outside}, but there are ${names.length} devices`,
    );
  }
  const check = (where: string, host: string) => {
    if (!names.includes(host)) throw unknownHost(where, host, names);
  };
  for (const { host, first, last } of constraints.pin) {
    check("a pin", host);
    if (!(first >= 0 && first <= last && last < model.layers)) {
      throw bad(
        "bad_pin",
        `layers ${first}-${last} are pinned to ${host}, but the model has layers 0-${
          model.layers - 1
        }`,
      );
    }
  }
  for (const host of constraints.exclude) check("exclude", host);
  for (const { host } of constraints.memory) check("a memory cap", host);
  if (coordinator !== undefined) check("the coordinator", coordinator);
  if (decode?.draftHost !== undefined) check("the drafter", decode.draftHost);
  return devices.map((device) => {
    const caps = constraints.memory.filter((cap) => cap.host === device.name).map((cap) =>
      cap.bytes
    );
    return { ...device, memoryBytes: Math.min(device.memoryBytes, ...caps) };
  });
}

/** The error of a plan or its input where `where` names a host that is not among the devices. */
export function unknownHost(where: string, host: string, devices: string[]): OrreryError {
  const message = `${where} names ${host}, which is not among the ${devices.length} devices; ${
    didYouMean(host, devices)
  }`;
  return bad("unknown_host", message, { host });
}

/** Throws `bad_device` unless the device's times and sizes are such as a device can have. */
function checkDevice({ name, memoryBytes, overheadBytes, frameSeconds, ...tables }: Device): void {
  const refuse = (what: string, value: unknown, expected: string): never => {
    throw bad(
      "bad_device",
      `device ${name}: ${what} is ${value}, expected ${expected}; measure it again or correct its description`,
      { device: name },
    );
  };
  for (const [what, bytes] of Object.entries({ memoryBytes, overheadBytes })) {
    if (!(bytes >= 0)) refuse(what, bytes, "0 bytes or more");
  }
  if (!(frameSeconds >= 0 && frameSeconds <= MOST_SECONDS)) {
    refuse("frameSeconds", frameSeconds, `0 to ${MOST_SECONDS} seconds`);
  }
  for (const part of ["layer", "embed", "head"] as const) {
    let table;
    try {
      table = cleanTable(tables[part]);
    } catch (error) {
      if (!(error instanceof OrreryError)) throw error;
      throw bad("bad_table", `device ${name}, ${part}: ${error.message}`, {
        ...error.metadata,
        device: name,
      });
    }
    // a clean table never falls, so its first entry is the least and its last one the most
    const most = table.seconds.at(-1)!.at(-1)!;
    if (most > MOST_SECONDS) refuse(`the time of its ${part}`, most, `at most ${MOST_SECONDS} s`);
    const least = table.seconds[0][0];
    if (part === "layer" && least < LEAST_LAYER_SECONDS) {
      refuse("the time of a layer", `${least} s`, `at least ${LEAST_LAYER_SECONDS} s`);
    }
  }
}

function bad(code: string, message: string, metadata: Record<string, unknown> = {}): OrreryError {
  return new OrreryError({ group: "planner", code, message, metadata });
}
