/**
 * The registry's suite over its back ends.
 */
import { kvWorld } from "./support/registry_kv_world.ts";
import { registrySuite } from "./support/registry_suite.ts";

registrySuite("embedded Deno KV", () => kvWorld({ alone: true }));
registrySuite("Deno KV, several clients", () => kvWorld({ alone: false }));
