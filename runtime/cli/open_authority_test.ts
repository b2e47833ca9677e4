import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { noteRegistry } from "../seat/mod.ts";
import { Authority } from "../trust/mod.ts";
import { writeFirstNode } from "../trust/folder.ts";
import { openAuthority } from "./open_authority.ts";

async function folder(stack: AsyncDisposableStack): Promise<string> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  stack.defer(() => Deno.remove(data, { recursive: true }));
  return data;
}

Deno.test("openAuthority() opens what the node of the folder used, unless a registry is named", async (t) => {
  await using stack = new AsyncDisposableStack();
  const data = await folder(stack);
  const made = await Authority.open({ data, create: true });
  await writeFirstNode(data, { host: "10.0.0.1", port: 8421, node: "den:8421:0001" });

  await t.step("files, where nothing is noted", async () => {
    await using opened = await openAuthority({ data });
    assert.equal(opened.authority.fingerprint, made.fingerprint);
    assert.equal(opened.first?.node, "den:8421:0001");
  });
  await t.step("a managed registry that this folder has no part in is refused", async () => {
    const refused = (e: unknown) =>
      hasCode(e, "no_authority") && /is a server of a managed/.test(e.message);
    await assert.rejects(openAuthority({ data, registry: "managed" }), refused);
    await noteRegistry(data, "managed");
    await assert.rejects(openAuthority({ data }), refused);
  });
  await t.step("files that a registry has taken the place of are used only by name", async () => {
    await noteRegistry(data, "etcd://127.0.0.1:1?nonsense=1");
    await assert.rejects(openAuthority({ data }), (e) => hasCode(e, "bad_url"));
    await using opened = await openAuthority({ data, registry: "embedded" });
    assert.equal(opened.authority.fingerprint, made.fingerprint);
  });
  await t.step("a folder without a cluster is refused", async () => {
    await assert.rejects(
      openAuthority({ data: await folder(stack) }),
      (e) => hasCode(e, "no_authority") && /--registry/.test(e.message),
    );
  });
});
