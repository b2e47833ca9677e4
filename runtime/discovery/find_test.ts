import assert from "node:assert/strict";
import { OrreryError } from "../../actors/system/mod.ts";
import { type FoundCluster, readAdvert, txtOf } from "./advert.ts";
import { announceCluster } from "./announce.ts";
import { findCluster } from "./find.ts";
import type { Lan } from "./lan.ts";

const cluster = (name: string, digit: string, host: string): FoundCluster => ({
  name,
  authority: digit.repeat(64),
  host,
  port: 8421,
});
const DEN = cluster("den", "a", "192.168.1.2");
const LAB = cluster("lab", "b", "192.168.1.3");

/** A network on which these clusters answer. */
function lanOf(...clusters: FoundCluster[]): Lan & { open: number } {
  const lan = {
    open: 0,
    announce: () => Promise.reject(new Error("nobody announces here")),
    browse(onFound: (cluster: FoundCluster) => void) {
      lan.open++;
      const timer = setTimeout(() => clusters.forEach(onFound));
      return Promise.resolve({
        [Symbol.asyncDispose]() {
          lan.open--;
          clearTimeout(timer);
          return Promise.resolve();
        },
      });
    },
  };
  return lan;
}

/** The error with which a search ends. */
async function refusal(lan: Lan, authority?: string): Promise<OrreryError> {
  const error = await findCluster({ authority, lan, lookMs: 50 }).then(
    () => assert.fail("it found one"),
    (reason) => reason,
  );
  assert.ok(error instanceof OrreryError);
  assert.equal(error.code, "join_failed");
  return error;
}

Deno.test("findCluster() takes the cluster of the authority, whoever answers first", async () => {
  const lan = lanOf(DEN, LAB);
  assert.deepEqual(await findCluster({ authority: LAB.authority, lan }), {
    host: LAB.host,
    port: 8421,
  });
  assert.equal(lan.open, 0, "it looks no longer");
});

Deno.test("findCluster() names the clusters that do not fit, and what to do", async () => {
  const lan = lanOf(DEN, LAB, DEN);
  const other = await refusal(lan, "c".repeat(64));
  assert.match(
    other.message,
    /in 0\.05 s there was found den at 192\.168\.1\.2:8421 \(authority aaaaaaaa\.\.\.\), lab at 192\.168\.1\.3:8421 \(authority bbbbbbbb\.\.\.\); none has the authority cccccccc/,
  );
  assert.deepEqual(other.metadata, { found: [DEN, LAB] });
  assert.equal(lan.open, 0, "it looks no longer");
  const stranger = await refusal(lan);
  assert.match(stranger.message, /den at .*lab at .*; a node joins the first time with --token/);
  const alone = await refusal(lanOf(), DEN.authority);
  assert.match(
    alone.message,
    /^no cluster was found .* with --host 0\.0\.0\.0 .*--join HOST:PORT$/,
  );
});

Deno.test("findCluster() keeps a bounded list however many clusters answer", async () => {
  const many = Array.from({ length: 200 }, (_, i) => ({ ...DEN, port: 1000 + i }));
  const { message, metadata } = await refusal(lanOf(...many), LAB.authority);
  assert.equal((metadata?.found as unknown[]).length, 64);
  assert.match(message, /:1007 \(authority aaaaaaaa\.\.\.\), 56 more;/);
});

Deno.test("readAdvert() takes what txtOf() writes, and nothing that is malformed", () => {
  const service = { port: 8421, referer: { address: DEN.host }, txt: txtOf(DEN) };
  assert.deepEqual(readAdvert(service), DEN);
  const wrong = [
    undefined,
    { ...service, port: 0 },
    { ...service, port: 70_000 },
    { ...service, txt: undefined },
    { ...service, txt: { ...service.txt, v: "2" } },
    { ...service, txt: { ...service.txt, ca: "A".repeat(64) } },
    { ...service, txt: { ...service.txt, name: "den\u001b[31m" } },
    { ...service, referer: { address: "den.local" } },
  ];
  for (const made of wrong) assert.equal(readAdvert(made), undefined, JSON.stringify(made));
});

Deno.test("announceCluster() says nothing of a mailbox on loopback", async () => {
  for (const host of ["127.0.0.1", "127.0.0.2", "localhost", "::1"]) {
    assert.equal(await announceCluster({ ...DEN, host, lan: lanOf() }), undefined, host);
  }
  await assert.rejects(
    announceCluster({ ...DEN, host: "0.0.0.0", lan: lanOf() }),
    /nobody announces/,
  );
});
