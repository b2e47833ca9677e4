/**
 * Puts the memory that a session packs its weights into on huge pages.
 *
 * A row of a large model reads all of it, and with pages of 4 KiB the processor looks up a
 * translation for each of them, in a virtual machine twice. ONNX Runtime takes this memory from the
 * C library, which cannot be told to ask for huge pages once a process runs. So the regions that
 * are new after the session was made are collapsed (`MADV_COLLAPSE`): the system copies them to
 * pages of 2 MiB.
 *
 * Linux 6.1 and later; elsewhere, and where the administrator has switched huge pages off, nothing
 * happens. Memory does not grow but for what is left over in the last page of a region.
 *
 * @module
 */

/** `O_RDONLY | O_CLOEXEC` and `MADV_COLLAPSE` of Linux. */
const [OPEN_FLAGS, COLLAPSE] = [0x80000, 25];
/** Bytes of a huge page on x86-64 and arm64. */
const HUGE_PAGE = 2n << 20n;
/** Bytes that are collapsed by one call, and calls at the same time. */
const [PIECE, AT_ONCE] = [64n << 20n, 4];
/** What the administrator says of huge pages; the choice stands in brackets. */
const SETTING = "/sys/kernel/mm/transparent_hugepage/enabled";
/** The process's regions of memory, one a line. */
const MAPS = "/proc/self/maps";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  madvise: { parameters: ["u64", "usize", "i32"], result: "i32", nonblocking: true },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

/** A region of addresses, the end not included. */
export interface Region {
  start: bigint;
  end: bigint;
}

/** The memory of this process at a moment, to find out what is new later. */
export class HugePages {
  readonly #libc: Libc;
  readonly #before: Region[];

  private constructor(libc: Libc, before: Region[]) {
    this.#libc = libc;
    this.#before = before;
  }

  /** Notes the regions that are there now. Undefined where huge pages are not to be had. */
  static note(): HugePages | undefined {
    if (Deno.build.os !== "linux") return undefined;
    const libc = Deno.dlopen("libc.so.6", SYMBOLS);
    const setting = readFile(libc, SETTING);
    if (setting === undefined || setting.includes("[never]")) {
      libc.close();
      return undefined;
    }
    return new HugePages(libc, anonymousRegions(readFile(libc, MAPS) ?? ""));
  }

  /**
   * Collapses the regions that came since, on threads of Deno's pool. What the system refuses stays as
   * it is. Returns the bytes that lie on huge pages now.
   */
  async collapseNew(): Promise<number> {
    const pieces: Region[] = [];
    const now = anonymousRegions(readFile(this.#libc, MAPS) ?? "");
    for (const { start, end } of without(now, this.#before)) {
      const last = end / HUGE_PAGE * HUGE_PAGE;
      for (let at = (start + HUGE_PAGE - 1n) / HUGE_PAGE * HUGE_PAGE; at < last; at += PIECE) {
        pieces.push({ start: at, end: at + PIECE < last ? at + PIECE : last });
      }
    }
    let bytes = 0n;
    const collapse = async () => {
      for (let piece = pieces.pop(); piece; piece = pieces.pop()) {
        const length = piece.end - piece.start;
        if (await this.#libc.symbols.madvise(piece.start, length, COLLAPSE) === 0) bytes += length;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, collapse));
    return Number(bytes);
  }

  /** Ends the use of the C library. Nothing else may be called afterwards. */
  close(): void {
    this.#libc.close();
  }
}

/**
 * The readable and writable regions of a `/proc/PID/maps` that belong to no file and to this
 * process alone: what the C library hands out.
 */
export function anonymousRegions(maps: string): Region[] {
  const lines = maps.matchAll(
    /^([0-9a-f]+)-([0-9a-f]+) rw-p [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ 0 *(\[heap\]|\[anon: glibc.*)?$/gm,
  );
  return [...lines].map(([, start, end]) => ({
    start: BigInt(`0x${start}`),
    end: BigInt(`0x${end}`),
  }));
}

/** What of `regions` lies in none of `others`. Both are in the order of their addresses. */
export function without(regions: Region[], others: Region[]): Region[] {
  const found: Region[] = [];
  for (const { start, end } of regions) {
    let at = start;
    for (const other of others) {
      if (other.end <= at || other.start >= end) continue;
      if (other.start > at) found.push({ start: at, end: other.start });
      at = other.end;
    }
    if (at < end) found.push({ start: at, end });
  }
  return found;
}

/**
 * Text of a file of the system, undefined where it cannot be read. Deno opens none of the process's
 * own files without all permissions; the engine, which has that of the C library, reads two.
 */
export function readFile(libc: Libc, path: string): string | undefined {
  const { open, read, close } = libc.symbols;
  const file = open(new TextEncoder().encode(`${path}\0`), OPEN_FLAGS);
  if (file < 0) return undefined;
  const decoder = new TextDecoder();
  const piece = new Uint8Array(new ArrayBuffer(1 << 16));
  let text = "";
  for (;;) {
    const count = Number(read(file, piece, BigInt(piece.length)));
    if (count <= 0) break;
    text += decoder.decode(piece.subarray(0, count), { stream: true });
  }
  close(file);
  return text;
}
