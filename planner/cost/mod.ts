/**
 * Cost model: seconds and bytes of stages and hops, from measured or described devices.
 *
 * @module
 */
export * from "./cost_model.ts";
export * from "./described_device.ts";
export * from "./head.ts";
export { cleanTable, tableSeconds } from "./table.ts";
