import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inFolder } from "../../tests/support/store_folder.ts";
import { BlobFolder } from "./blobs.ts";

const bytes = new TextEncoder().encode("weights");
const sha256 = createHash("sha256").update(bytes).digest("hex");

Deno.test("BlobFolder.path() refuses what is not a hash", async () => {
  await inFolder(async (dir) => {
    const blobs = await BlobFolder.open(dir);
    assert.throws(() => blobs.path("../../etc/passwd"), { code: "blob_name" });
  });
});

Deno.test("BlobWriter.finish() names the blob by its hash; before it nobody sees the blob", async () => {
  await inFolder(async (dir) => {
    const blobs = await BlobFolder.open(dir);
    await using writer = await blobs.create();
    await writer.write(bytes);
    assert.equal(await blobs.size(sha256), undefined);
    assert.deepEqual(await writer.finish(), { sha256, bytes: 7 });
    assert.deepEqual([await blobs.size(sha256), await blobs.hash(sha256)], [7, sha256]);
    await assert.rejects(writer.write(bytes), { code: "blob_closed" });
  });
});

Deno.test("BlobWriter.align() pads with zeros to a multiple", async () => {
  await inFolder(async (dir) => {
    const blobs = await BlobFolder.open(dir);
    await using writer = await blobs.create();
    await writer.align(64);
    assert.equal(writer.bytes, 0);
    await writer.write(bytes);
    await writer.align(64);
    const { sha256 } = await writer.finish();
    const padded = new Uint8Array(64);
    padded.set(bytes);
    assert.deepEqual(await Deno.readFile(blobs.path(sha256)), padded);
  });
});

Deno.test("BlobWriter leaves nothing behind when it is disposed of unfinished", async () => {
  await inFolder(async (dir) => {
    const blobs = await BlobFolder.open(dir);
    {
      await using writer = await blobs.create();
      await writer.write(bytes);
    }
    assert.deepEqual(await Array.fromAsync(Deno.readDir(`${dir}/tmp`)), []);
  });
});
