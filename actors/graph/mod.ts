/**
 * Graph files: a model, devices, limits and actors of one's own, written by people as YAML or JSON;
 * and the messages that such actors exchange with the system.
 *
 * @module
 */
export * from "./custom.ts";
export * from "./parse.ts";
export { type GraphPaths, graphPaths } from "./paths.ts";
export { didYouMean } from "./problems.ts";
export type {
  CustomActor,
  DeviceFile,
  Graph,
  GraphDevice,
  GraphLink,
  PaperModel,
} from "./schema.ts";
