import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { parseEtcdUrl } from "./etcd_url.ts";

Deno.test("parseEtcdUrl() reads members, TLS, certificates, user and prefix", () => {
  assert.deepEqual(parseEtcdUrl("etcd://a,b:2380,[::1]"), {
    endpoints: ["http://a:2379", "http://b:2380", "http://[::1]:2379"],
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
    user: undefined,
    passwordFile: undefined,
    prefix: "orrery/",
  });
  const url = "etcd://a/?ca=/ca.pem&cert=/c.pem&key=/k.pem&user=root&password_file=/p&prefix=x/";
  assert.deepEqual(parseEtcdUrl(url), {
    endpoints: ["https://a:2379"],
    caFile: "/ca.pem",
    certFile: "/c.pem",
    keyFile: "/k.pem",
    user: "root",
    passwordFile: "/p",
    prefix: "x/",
  });
  assert.deepEqual(parseEtcdUrl("etcd://a?tls").endpoints, ["https://a:2379"]);
});

Deno.test("parseEtcdUrl() refuses what is no etcd address, and says why", () => {
  const wrong: [string, RegExp][] = [
    ["etcd://", /HOST/],
    ["http://a", /HOST/],
    ["etcd://a,,b", / is no HOST/],
    ["etcd://a b", /a b is no HOST/],
    ["etcd://a:70000", /a:70000 is no HOST/],
    ["etcd://user:secret@a", /is no HOST/],
    ["etcd://a?cart=x", /option cart is none of tls, ca/],
    ["etcd://a?cert=/c", /both cert and key/],
    ["etcd://a?user=u", /both user and password_file/],
    ["etcd://a?prefix=a%20b", /prefix a b must be/],
  ];
  for (const [url, why] of wrong) {
    assert.throws(
      () => parseEtcdUrl(url),
      (e) => hasCode(e, "bad_url") && why.test(e.message),
      url,
    );
  }
});
