import assert from "node:assert/strict";
import { recorderWorld } from "../../tests/support/recorder.ts";
import { type Address, hasCode } from "./mod.ts";

Deno.test("Inbox makes its senders wait, and refuses messages after close()", async () => {
  const { sim, systems: [one] } = recorderWorld();
  const inbox = one.inbox("t/client/x" as Address, { capacity: 2 });
  let accepted = 0;
  const sends = Array.from(
    { length: 5 },
    (_, n) => one.tell(inbox.address, { type: "put", n }).then(() => accepted++),
  );
  await sim.run({ forMs: 1 });
  assert.equal(accepted, 2);
  assert.deepEqual((await inbox.next())?.body, { n: 0 });
  await sim.run({ forMs: 1 });
  assert.equal(accepted, 3);
  inbox.close();
  await sim.until(Promise.allSettled(sends));
  assert.equal(await inbox.next(), undefined);
  await assert.rejects(
    sim.until(one.tell(inbox.address, { type: "put", n: 9 })),
    (e) => hasCode(e, "unknown_kind"),
  );
});
