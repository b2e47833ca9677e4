import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inFolder } from "../../tests/support/store_folder.ts";
import { BlobFolder } from "./blobs.ts";
import { PIECE_BYTES } from "./partial_blob.ts";

/** A blob of three and a half pieces. */
const bytes = Uint8Array.from({ length: 3.5 * PIECE_BYTES }, (_, i) => (i * 31 + (i >> 12)) & 255);
const sha256 = createHash("sha256").update(bytes).digest("hex");
const piece = (i: number) => bytes.subarray(i * PIECE_BYTES, (i + 1) * PIECE_BYTES);

async function inBlobs(run: (blobs: BlobFolder, part: string) => Promise<void>): Promise<void> {
  await inFolder(async (dir) => {
    const blobs = await BlobFolder.open(dir);
    await run(blobs, blobs.path(sha256) + ".part");
  });
}

const open = async (blobs: BlobFolder) => (await blobs.openPartial(sha256, bytes.length))!;

Deno.test("PartialBlob.write() takes pieces in any order, and finish() gives the blob its name", async () => {
  await inBlobs(async (blobs, part) => {
    const file = await open(blobs);
    assert.deepEqual([file.pieces, file.range(3).length], [4, PIECE_BYTES / 2]);
    await Promise.all([3, 0, 2, 1].map((i) => file.write(i, piece(i))));
    assert.equal(await blobs.size(sha256), undefined);
    assert.deepEqual(await file.finish(), { state: "whole" });
    assert.deepEqual(await Deno.readFile(blobs.path(sha256)), bytes);
    await assert.rejects(Deno.stat(part), Deno.errors.NotFound);
    assert.equal(await blobs.openPartial(sha256, bytes.length), undefined);
  });
});

Deno.test("PartialBlob.open() finds the pieces that an earlier process wrote", async () => {
  await inBlobs(async (blobs) => {
    {
      using file = await open(blobs);
      await file.write(3, piece(3));
      await file.write(1, piece(1));
    }
    assert.equal(await blobs.partialBytes(sha256), 1.5 * PIECE_BYTES);
    const file = await open(blobs);
    assert.deepEqual([0, 1, 2, 3].map((i) => file.has(i)), [false, true, false, true]);
    for (const i of [0, 2]) await file.write(i, piece(i));
    assert.deepEqual(await file.finish(), { state: "whole" });
  });
});

Deno.test("PartialBlob.open() counts a piece that was not noted before the process died as missing", async () => {
  await inBlobs(async (blobs, part) => {
    {
      using file = await open(blobs);
      await file.write(0, piece(0));
    }
    const dead = await Deno.open(part, { write: true });
    await dead.seek(2 * PIECE_BYTES, Deno.SeekMode.Start);
    await dead.write(piece(2).subarray(0, 1000));
    dead.close();
    using file = await open(blobs);
    assert.deepEqual([0, 1, 2, 3].map((i) => file.has(i)), [true, false, false, false]);
  });
});

Deno.test("PartialBlob.open() goes on with a file that was written from its beginning, without notes", async () => {
  await inBlobs(async (blobs, part) => {
    await Deno.writeFile(part, bytes.subarray(0, 1.2 * PIECE_BYTES));
    assert.equal(await blobs.partialBytes(sha256), Math.floor(1.2 * PIECE_BYTES));
    const file = await open(blobs);
    assert.deepEqual([0, 1, 2, 3].map((i) => file.has(i)), [true, false, false, false]);
    for (const i of [1, 2, 3]) await file.write(i, piece(i));
    assert.deepEqual(await file.finish(), { state: "whole" });
    // The process died between the cut of the notes and the new name.
    await Deno.rename(blobs.path(sha256), part);
    const again = await open(blobs);
    assert.deepEqual([0, 1, 2, 3].map((i) => again.has(i)), [true, true, true, true]);
    assert.deepEqual(await again.finish(), { state: "whole" });
  });
});

Deno.test("PartialBlob.open() begins anew where another size was stated before", async () => {
  await inBlobs(async (blobs) => {
    {
      using file = (await blobs.openPartial(sha256, 9 * PIECE_BYTES))!;
      await file.write(0, piece(0));
    }
    using file = await open(blobs);
    assert.equal(file.has(0), false);
  });
});

Deno.test("PartialBlob.finish() puts a blob with another hash aside, and tells the pieces that differ", async () => {
  await inBlobs(async (blobs, part) => {
    const wrong = await open(blobs);
    for (const i of [0, 1, 2, 3]) {
      await wrong.write(i, i === 2 ? new Uint8Array(PIECE_BYTES) : piece(i));
    }
    const result = await wrong.finish();
    assert.ok(result.state === "wrong");
    assert.match(result.actual, /^[0-9a-f]{64}$/);
    await assert.rejects(Deno.stat(part), Deno.errors.NotFound);
    const right = await open(blobs);
    for (const i of [0, 1, 2, 3]) await right.write(i, piece(i));
    await right.finish();
    assert.deepEqual(await blobs.differingPieces(result.path, sha256), [2]);
    await assert.rejects(Deno.stat(result.path), Deno.errors.NotFound);
  });
});

Deno.test("PartialBlob.open() waits while another has the blob open, and sees that it is whole then", async () => {
  await inBlobs(async (blobs) => {
    const file = await open(blobs);
    let opened = false;
    const waiting = open(blobs).then((second) => {
      opened = true;
      return second;
    });
    for (const i of [0, 1, 2, 3]) await file.write(i, piece(i));
    assert.equal(opened, false);
    await file.finish();
    assert.equal(await waiting, undefined);
    assert.deepEqual(await Deno.readFile(blobs.path(sha256)), bytes);
  });
});

Deno.test("PartialBlob.finish() pauses after each 256 KiB that it hashed", async () => {
  await inBlobs(async (blobs) => {
    const file = await open(blobs);
    for (const i of [0, 1, 2, 3]) await file.write(i, piece(i));
    let pauses = 0;
    await file.finish({ pause: () => Promise.resolve(void pauses++) });
    assert.equal(pauses, bytes.length / (256 * 1024));
  });
});
