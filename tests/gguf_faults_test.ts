/**
 * A faulty GGUF file is refused with what is wrong in it, and leaves nothing in the store.
 */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { ModelStore } from "../models/mod.ts";
import {
  encodeGguf,
  type GgufEntry,
  type GgufField,
  ggufMetadata,
  ggufTensors,
  ggufTokenizerFields,
} from "./support/gguf_writer.ts";
import { inFolder } from "./support/store_folder.ts";
import { writeTinyCheckpoint } from "./support/tiny_checkpoint.ts";

/** Faulty files: the error code, the message and how the bytes are made from a correct file. */
const FAULTY_FILES: Record<
  string,
  { code: string; says: RegExp; bytes: (whole: Uint8Array, entries: GgufParts) => Uint8Array }
> = {
  "has another magic": {
    code: "gguf_malformed",
    says: /does not begin with GGUF/,
    bytes: (w) => w.with(0, 0x50),
  },
  "has an unknown version": {
    code: "gguf_unsupported",
    says: /version 9/,
    bytes: (w) => w.with(4, 9),
  },
  "is big-endian": {
    code: "gguf_unsupported",
    says: /big-endian/,
    bytes: (w) => w.with(4, 0).with(7, 3),
  },
  "is empty": { code: "gguf_malformed", says: /does not begin/, bytes: () => new Uint8Array() },
  "announces a tensor count beyond its size": {
    code: "gguf_malformed",
    says: /announces \d+ tensors/,
    bytes: (w) => w.with(12, 0xff),
  },
  "announces more metadata than it has bytes": {
    code: "gguf_malformed",
    says: /metadata pairs/,
    bytes: (w) => w.with(20, 0xff),
  },
  "has a text longer than the file": {
    code: "gguf_malformed",
    says: /metadata pair 0 needs \d+ bytes/,
    bytes: (w) => w.with(29, 0xff),
  },
  "ends in the header": {
    code: "gguf_malformed",
    says: /needs|announces/,
    bytes: (w) => w.slice(0, 700),
  },
  "ends in a tensor": {
    code: "gguf_malformed",
    says: /tensor output_norm\.weight: its bytes end at \d+ but the file has \d+/,
    bytes: (w) => w.slice(0, w.length - 64),
  },
  "has overlapping tensors": {
    code: "gguf_malformed",
    says: /tensor blk\.0\.attn_q\.weight: its bytes overlap those of/,
    bytes: (_, { encode }) => encode((e) => e.name === "blk.0.attn_q.weight" && (e.offset -= 32)),
  },
  "has an offset that is not aligned": {
    code: "gguf_malformed",
    says: /tensor blk\.0\.attn_q\.weight: its offset \d+ is not a multiple/,
    bytes: (_, { encode }) => encode((e) => e.name === "blk.0.attn_q.weight" && (e.offset += 1)),
  },
  "has an element type nobody knows": {
    code: "tensor_dtype",
    says: /tensor token_embd\.weight: element type number 99/,
    bytes: (_, { encode }) => encode((e) => e.name === "token_embd.weight" && (e.type = 99)),
  },
  "has a tensor of a type that is not read": {
    code: "tensor_dtype",
    says: /tensor blk\.0\.ffn_up\.weight: element type I32 \(supported: F32, F16/,
    bytes: (_, { encode }) => encode((e) => e.name === "blk.0.ffn_up.weight" && (e.type = 26)),
  },
  "has rows that are no whole blocks": {
    code: "gguf_malformed",
    says:
      /tensor blk\.0\.ffn_up\.weight: rows of 64 elements are no whole blocks of 256, which Q4_K/,
    bytes: (_, { encode }) => encode((e) => e.name === "blk.0.ffn_up.weight" && (e.type = 12)),
  },
  "has dimensions that cannot be": {
    code: "gguf_malformed",
    says: /tensor output_norm\.weight: its dimensions/,
    bytes: (_, { encode }) =>
      encode((e) => e.name === "output_norm.weight" && (e.dims = [2 ** 40, 2 ** 40])),
  },
  "has a tensor twice": {
    code: "gguf_malformed",
    says: /tensor output_norm\.weight: it stands there twice/,
    bytes: (_, { encode }) =>
      encode((e) => e.name === "blk.1.attn_norm.weight" && (e.name = "output_norm.weight")),
  },
  "has a wrong shape": {
    code: "tensor_shape",
    says: /tensor blk\.1\.ffn_up\.weight: shape is \[64,96\] where the metadata call for \[96,64\]/,
    bytes: (_, { encode }) => encode((e) => e.name === "blk.1.ffn_up.weight" && e.dims.reverse()),
  },
  "lacks a tensor": {
    code: "tensor_missing",
    says: /no tensor blk\.1\.ffn_up\.weight/,
    bytes: (_, { encode }) =>
      encode((e) => e.name === "blk.1.ffn_up.weight" && (e.name = "blk.1.other.weight")),
  },
  "holds NaN": {
    code: "tensor_not_finite",
    says: /tensor blk\.1\.ffn_down\.weight: a value of the rows from 0 is NaN/,
    bytes: (_, { encode, entries }) => {
      new Float32Array(entries.find((e) => e.name === "blk.1.ffn_down.weight")!.data.buffer)[70] =
        NaN;
      return encode(() => {});
    },
  },
  "is of an unknown architecture": {
    code: "architecture_unknown",
    says: /architecture mamba \(supported: llama, smollm3, qwen2/,
    bytes: (_, { encode, metadata }) => {
      metadata["general.architecture"] = { type: "string", value: "mamba" };
      return encode(() => {});
    },
  },
  "states more layers than any model has": {
    code: "gguf_malformed",
    says: /llama\.block_count is 4000000000 where 1 to 4096 layers are supported/,
    bytes: (_, { encode, metadata }) => {
      metadata["llama.block_count"] = { type: "u32", value: 4e9 };
      return encode(() => {});
    },
  },
  "is one part of several": {
    code: "gguf_unsupported",
    says: /one of 3 parts/,
    bytes: (_, { encode, metadata }) => {
      metadata["split.count"] = { type: "u32", value: 3 };
      return encode(() => {});
    },
  },
  "splits words in an unknown way": {
    code: "gguf_unsupported",
    says: /tokenizer\.ggml\.pre bloom \(supported: default, gpt-2/,
    bytes: (_, { encode, metadata }) => {
      metadata["tokenizer.ggml.pre"] = { type: "string", value: "bloom" };
      return encode(() => {});
    },
  },
  "names a token that it has not": {
    code: "gguf_malformed",
    says: /eos_token_id 9999 is not one of \d+ tokens/,
    bytes: (_, { encode, metadata }) => {
      metadata["tokenizer.ggml.eos_token_id"] = { type: "u32", value: 9999 };
      return encode(() => {});
    },
  },
};

interface GgufParts {
  metadata: Record<string, GgufField>;
  entries: GgufEntry[];
  encode: (
    alter: (entry: Parameters<Parameters<typeof encodeGguf>[2] & object>[0]) => unknown,
  ) => Uint8Array;
}

for (const [what, { code, says, bytes }] of Object.entries(FAULTY_FILES)) {
  Deno.test(`ModelStore.add() refuses a GGUF file that ${what} and leaves nothing in the store`, async () => {
    await inFolder(async (dir) => {
      const folder = await writeTinyCheckpoint(join(dir, "folder"), { layers: 2, hidden: 64 });
      const entries = ggufTensors(folder.tensors, { type: "F32", permutedBy: 16 });
      const metadata = {
        ...ggufMetadata("llama", folder.config),
        ...await ggufTokenizerFields(folder.dir),
      };
      const encode: GgufParts["encode"] = (alter) =>
        encodeGguf(metadata, entries, (entry) => void alter(entry));
      const file = join(dir, "faulty.gguf");
      await Deno.writeFile(file, bytes(encode(() => {}), { metadata, entries, encode }));
      const store = await ModelStore.open(join(dir, "store"));
      await assert.rejects(
        store.add(file, { precision: "f32" }),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, code, error.message);
          assert.match(error.message, says);
          assert.ok(error.message.includes(basename(file)), error.message);
          return true;
        },
      );
      assert.deepEqual(await store.list(), []);
      for await (const { name } of Deno.readDir(join(store.dir, "tmp"))) {
        assert.fail(`tmp/${name} is left`);
      }
    });
  });
}
