/**
 * Graph files, which people write as YAML or JSON: a model, devices, limits and custom actors. Also
 * the messages that custom actors exchange with the system.
 *
 * @module
 */
export * from "./custom.ts";
export * from "./deployment_policy.ts";
export * from "./parse.ts";
export { type GraphPaths, graphPaths } from "./paths.ts";
export { didYouMean } from "./problems.ts";
export type {
  CustomActor,
  DeviceFile,
  Graph,
  GraphDevice,
  GraphLink,
  GraphUplink,
  PaperModel,
} from "./schema.ts";
export * from "./write.ts";
