import assert from "node:assert/strict";
import { join } from "node:path";
import { hasCode } from "../../actors/mod.ts";
import { type AccessOptions, createApiKey, nodeAccess, revokeApiKey, webOrigin } from "./mod.ts";

const refused = (code: string) => (error: unknown) => hasCode(error, code);

async function inFolder(run: (data: string) => unknown): Promise<void> {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    await run(data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

Deno.test("nodeAccess() opens the API beyond this machine only with keys or --no-api-key", () =>
  inFolder(async (data) => {
    const at = (host: string, options: AccessOptions = {}) =>
      nodeAccess({ host, data, ...options }).address;
    assert.deepEqual(at("127.0.0.1"), { host: "127.0.0.1", loopback: true, kept: false });
    assert.deepEqual(at("localhost").kept, false);
    assert.deepEqual(at("0.0.0.0"), { host: "127.0.0.1", loopback: true, kept: true });
    assert.deepEqual(at("::").host, "127.0.0.1");
    assert.deepEqual(at("0.0.0.0", { apiHost: "::1" }).host, "::1");
    for (const apiHost of ["0.0.0.0", "10.0.0.1", "box.example.org", "127.0.0.1.evil.example"]) {
      assert.throws(() => at("127.0.0.1", { apiHost }), refused("key_needed"), apiHost);
    }
    const open = { host: "0.0.0.0", loopback: false, kept: false };
    assert.deepEqual(at("0.0.0.0", { noApiKey: true }), open);
    await createApiKey(join(data, "api-keys.json"), "a");
    assert.deepEqual(at("0.0.0.0"), open, "the data folder has keys");
    assert.deepEqual(at("127.0.0.1", { apiHost: "10.0.0.1" }).host, "10.0.0.1");
  }));

Deno.test("nodeAccess() uses the data folder's keys on loopback too, unless told otherwise", () =>
  inFolder(async (data) => {
    const file = join(data, "api-keys.json");
    const keys = (options: AccessOptions = {}) =>
      nodeAccess({ host: "127.0.0.1", data, ...options }).keys;
    assert.equal(keys(), undefined);
    assert.throws(() => keys({ apiKeyFile: file }), refused("no_key_file"));
    const { record } = await createApiKey(file, "a");
    assert.equal(keys()?.size, 1);
    assert.equal(keys({ noApiKey: true }), undefined);
    await revokeApiKey(file, record.id);
    assert.throws(() => keys(), refused("no_keys"), "an empty file does not mean an open API");
  }));

Deno.test("nodeAccess() refuses host names and origins that are none", () =>
  inFolder((data) => {
    const opening = (options: AccessOptions) => () => nodeAccess({ host: "::1", data, ...options });
    for (const name of ["", "*", "a/b", "*.example.org", "http://a"]) {
      assert.throws(opening({ allowHosts: [name] }), refused("bad_host_name"), name);
    }
    assert.throws(opening({ cors: ["*"] }), refused("bad_origin"));
    assert.ok(nodeAccess({ host: "::1", data, allowHosts: ["Box:80"] }).hosts.allows("box"));
  }));

Deno.test("webOrigin() takes one exact origin", () => {
  assert.equal(webOrigin("https://a.example"), "https://a.example");
  assert.equal(webOrigin("http://localhost:3000/"), "http://localhost:3000");
  const wrong = ["*", "null", "", "a.example", "https://a.example/x", "https://u@a.example"];
  for (const text of [...wrong, "https://*.example", "file:///x", "https://A.example"]) {
    assert.throws(() => webOrigin(text), refused("bad_origin"), text);
  }
});
