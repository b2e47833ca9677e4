/**
 * Who may ask the REST API: its keys, the host names under which it answers, the web pages that may
 * call it, and the address at which it listens. Nothing here knows HTTP routes; `runtime/api` asks
 * these parts for each request.
 *
 * @module
 */
export { type ApiAddress, chooseApiAddress, isLoopback } from "./api_address.ts";
export { ApiKeys, type KeyVerdict } from "./api_keys.ts";
export { clientKey, KEY_VARIABLE, keyHeaders } from "./client_key.ts";
export { type FailedAttempt, FailedAttempts } from "./failed_attempts.ts";
export { HostNames } from "./host_names.ts";
export {
  createApiKey,
  KEY_FILE,
  type KeyLimits,
  type KeyRecord,
  readKeyFile,
  revokeApiKey,
} from "./key_file.ts";
export { type KeyRequest, type KeyRoom, KeyUsage } from "./key_usage.ts";
export { type AccessOptions, type NodeAccess, nodeAccess } from "./node_access.ts";
export { webOrigin } from "./web_origin.ts";
