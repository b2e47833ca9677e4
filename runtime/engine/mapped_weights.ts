/**
 * Weight files, mapped by the engine itself.
 *
 * ONNX Runtime maps them too, but never lets go of pages that it has read once: of those that it
 * packs into memory of its own, the scales of all products and whatever shares a page with them
 * stay resident. Here the pages are dropped after the session is made. What a frame still reads,
 * such as rows of the embedding, comes back from the page cache.
 *
 * Linux only: elsewhere ONNX Runtime maps the files.
 *
 * @module
 */
import { join } from "node:path";
import type { ExternalTensor } from "../../models/graph/contract.ts";

/** `O_RDONLY | O_CLOEXEC`, `PROT_READ`, `MAP_PRIVATE`, `MADV_DONTNEED`, `SEEK_END` of Linux. */
const [OPEN_FLAGS, READ, PRIVATE, DROP, SEEK_END] = [0x80000, 1, 2, 4, 2];
const FAILED = 0xffffffffffffffffn;

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  close: { parameters: ["i32"], result: "i32" },
  mmap: { parameters: ["u64", "usize", "i32", "i32", "i32", "i64"], result: "u64" },
  munmap: { parameters: ["u64", "usize"], result: "i32" },
  madvise: { parameters: ["u64", "usize", "i32"], result: "i32" },
} as const;

/** Mapped files of a folder. */
export class MappedWeights {
  readonly #libc: Deno.DynamicLibrary<typeof SYMBOLS>;
  /** Address and bytes by the file's name. */
  readonly #files = new Map<string, { address: bigint; bytes: bigint }>();

  private constructor(libc: Deno.DynamicLibrary<typeof SYMBOLS>) {
    this.#libc = libc;
  }

  /**
   * Maps the files that `tensors` lie in. Undefined on systems where this module does not map;
   * throws Error where a file cannot be mapped or is too short.
   */
  static open(folder: string, tensors: readonly ExternalTensor[]): MappedWeights | undefined {
    if (Deno.build.os !== "linux") return undefined;
    const mapped = new MappedWeights(Deno.dlopen("libc.so.6", SYMBOLS));
    try {
      for (const { location, offset, length } of tensors) {
        const file = mapped.#files.get(location) ?? mapped.#map(folder, location);
        if (BigInt(offset + length) > file.bytes) {
          throw new Error(`${location} has ${file.bytes} bytes, not ${offset + length}`);
        }
      }
    } catch (error) {
      mapped.close();
      throw error;
    }
    return mapped;
  }

  #map(folder: string, location: string): { address: bigint; bytes: bigint } {
    const { open, lseek, mmap, close } = this.#libc.symbols;
    const path = new TextEncoder().encode(`${join(folder, location)}\0`);
    const file = open(path, OPEN_FLAGS);
    if (file < 0) throw new Error(`${location} cannot be opened`);
    const bytes = lseek(file, 0n, SEEK_END);
    const address = mmap(0n, bytes, READ, PRIVATE, file, 0n);
    close(file);
    if (address === FAILED) throw new Error(`${location} (${bytes} bytes) cannot be mapped`);
    const mapped = { address, bytes };
    this.#files.set(location, mapped);
    return mapped;
  }

  /** Address of a tensor's first element. */
  address({ location, offset }: ExternalTensor): Deno.PointerValue {
    return Deno.UnsafePointer.create(this.#files.get(location)!.address + BigInt(offset));
  }

  /** Drops the pages; what is read again comes back from the file. */
  drop(): void {
    for (const { address, bytes } of this.#files.values()) {
      this.#libc.symbols.madvise(address, bytes, DROP);
    }
  }

  /** Unmaps the files. No session may use them any more. */
  close(): void {
    for (const { address, bytes } of this.#files.values()) {
      this.#libc.symbols.munmap(address, bytes);
    }
    this.#files.clear();
    this.#libc.close();
  }
}
