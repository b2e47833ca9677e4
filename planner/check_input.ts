/**
 * Checks a plan's input before anything is computed.
 *
 * @module
 */
import { OrreryError } from "../actors/mod.ts";
import type { Device, PlanInput } from "./types.ts";

/**
 * Checks names and sizes, and returns the devices with the user's memory limits applied. Throws
 * group `planner`: `no_devices`, `bad_links`, `unknown_host` for a constraint that names no device,
 * `bad_pin` for layers that the model does not have, `duplicate_device`.
 */
export function checkedDevices(input: PlanInput): Device[] {
  const { model, devices, links, constraints, coordinator, decode } = input;
  if (devices.length === 0) {
    throw bad("no_devices", "there is no device to plan with; describe or measure one");
  }
  const names = devices.map((d) => d.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    throw bad("duplicate_device", `two devices are called ${twice}; rename one`);
  }
  for (
    const [what, matrix] of Object.entries({ seconds: links.seconds, bytesPerS: links.bytesPerS })
  ) {
    if (matrix.length !== names.length || matrix.some((row) => row.length !== names.length)) {
      throw bad(
        "bad_links",
        `links.${what} must be ${names.length} x ${names.length}, as there are ${names.length} devices`,
      );
    }
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
  const message = `${where} names ${host}, but the devices are ${devices.join(", ")}`;
  return bad("unknown_host", message, { host });
}

function bad(code: string, message: string, metadata: Record<string, unknown> = {}): OrreryError {
  return new OrreryError({ group: "planner", code, message, metadata });
}
