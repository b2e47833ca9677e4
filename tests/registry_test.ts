/**
 * The registry's suite over its back ends.
 */
import { actorWorld, localLinks, mailboxLinks } from "./support/registry_actor_world.ts";
import { DENOKV, startDenokv } from "./support/denokv_server.ts";
import { kvWorld } from "./support/registry_kv_world.ts";
import { registrySuite } from "./support/registry_suite.ts";

registrySuite("embedded Deno KV", () => kvWorld({ alone: true }));
registrySuite("Deno KV, several clients", () => kvWorld({ alone: false }));
registrySuite("embedded Deno KV, from another node", () => actorWorld(localLinks()));
registrySuite("embedded Deno KV, over HTTP/2", () => actorWorld(mailboxLinks()));

const ignore = DENOKV === undefined;
registrySuite(
  `denokv${ignore ? ", skipped: there is no denokv on the PATH" : ""}`,
  async () => kvWorld({ alone: false, server: await startDenokv() }),
  { ignore },
);
