/**
 * A program that runs an etcd in the folder of its argument, prints its port, and waits to be
 * killed.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- its answer
import { LocalMember } from "../../runtime/etcd/mod.ts";
import { signRegistryServer } from "../../runtime/trust/mod.ts";
import { createKey } from "../../runtime/trust/sign.ts";

const { pem } = await createKey();
const member = await LocalMember.open({
  folder: Deno.args[0],
  name: "orphan",
  host: "127.0.0.1",
  advertise: () => "127.0.0.1",
  sign: (hosts) => signRegistryServer(pem, { hosts }),
});
await member.bootstrap(AbortSignal.timeout(20_000));
console.log(new URL(member.address.endpoints[0]).port);
setInterval(() => {}, 60_000);
