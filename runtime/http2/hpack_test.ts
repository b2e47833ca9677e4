import assert from "node:assert/strict";
import http2 from "node:http2";
import net from "node:net";
import { decodeHuffman } from "./huffman.ts";
import { FieldReader, writeFields } from "./hpack.ts";

const bytesOf = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

Deno.test("FieldReader.read() reads the requests of RFC 7541's appendix C, with and without Huffman", () => {
  for (
    const blocks of [
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ]
  ) {
    const reader = new FieldReader();
    const [first, second, third] = blocks.map((block) => reader.read(bytesOf(block)));
    const common = { ":method": "GET", ":scheme": "http", ":authority": "www.example.com" };
    assert.deepEqual(first, { ...common, ":path": "/" });
    assert.deepEqual(second, { ...common, ":path": "/", "cache-control": "no-cache" });
    assert.deepEqual(third, {
      ...common,
      ...{ ":scheme": "https", ":path": "/index.html", "custom-key": "custom-value" },
    });
  }
});

Deno.test("writeFields() writes what FieldReader.read() reads", () => {
  const fields = {
    ":status": "200",
    "content-type": "application/cbor",
    "x-long": "ü".repeat(500),
    "x-empty": "",
  };
  assert.deepEqual(new FieldReader().read(writeFields(fields)), fields);
});

Deno.test("FieldReader.read() and decodeHuffman() refuse what is no HPACK", () => {
  for (const block of ["be", "ff ff ff ff ff 0f", "3f ff 7f", "40", "00 05 61", "80"]) {
    assert.throws(() => new FieldReader().read(bytesOf(block)), RangeError, block);
  }
  assert.throws(() => decodeHuffman(bytesOf("ff ff ff ff")), RangeError);
  assert.throws(() => decodeHuffman(bytesOf("00 00")), RangeError, "zeros fill the byte up");
  const many = Uint8Array.from(Array(200).fill(0x82));
  assert.throws(() => new FieldReader().read(many), RangeError);
});

Deno.test("decodeHuffman() reads every character as nghttp2 writes it", async () => {
  const value = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join("");
  const got = Promise.withResolvers<Record<string, string>>();
  const server = net.createServer(async (socket) => {
    const { Http2Session } = await import("./mod.ts");
    const session = new Http2Session(socket, { side: "server" });
    session.on("stream", (stream, fields) => {
      stream.respond({ ":status": "200" });
      stream.end();
      got.resolve(fields);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const client = http2.connect(`http://127.0.0.1:${port}`);
  client.request({ ":path": "/", "x-all": value, "x-more": "\u00e4\u00ff" }).resume();
  const fields = await got.promise;
  assert.equal(fields["x-all"], value);
  await new Promise<void>((resolve) => client.close(resolve));
  await new Promise((resolve) => server.close(resolve));
});
