/**
 * Gives memory back to the system that a node no longer needs.
 *
 * Several things would keep it otherwise. V8 grows the space for young objects up to 48 MB for each
 * worker and does not shrink it (the task `start` limits it to 6 MB: `--max-semi-space-size`), and
 * collects buffers outside its heap only when it allocates more. The C library makes a pool for
 * each of up to eight times as many threads as there are cores, and keeps freed memory in them. And
 * program code that ran once, as a library's start does, stays resident until the system is short
 * of memory: 35 MB of Deno's and 20 of ONNX Runtime's.
 *
 * @module
 */
import process from "node:process";

/** `M_ARENA_MAX` of malloc.h: most pools of the C library. */
const M_ARENA_MAX = -8;
const POOLS = 2;
/** `_SC_PAGESIZE` of unistd.h. */
const SC_PAGESIZE = 30;
/** `MADV_DONTNEED` of mman.h. */
const MADV_DONTNEED = 4;
/** `PT_LOAD`, `PF_R | PF_X` and the bytes of an `Elf64_Phdr` of elf.h. */
const [PT_LOAD, READ_EXECUTE, PHDR_BYTES] = [1, 5, 56];
/** Milliseconds from one look at the process to the next. */
const LOOK_MS = 5_000;
/** A process that used less than this share of a core since the last look is idle. */
const IDLE_CORE_SHARE = 0.1;
/** Bytes that the process must have grown by until memory is given back again. */
const GROWN_BYTES = 8 * 2 ** 20;

/** What giving back needs of the world; tests replace it. */
export interface MemoryWorld {
  /** Processor time that the process has used so far, in milliseconds. */
  cpuMs(): number;
  /** Time in milliseconds since any fixed point. */
  now(): number;
  /** Resident memory of the process in bytes. */
  residentBytes(): number;
  /** Collects garbage and returns free pages to the system. */
  giveBack(): void;
}

/**
 * Looks at the process every few seconds and gives memory back when it is idle and has grown. A
 * busy process is left alone: collecting garbage takes it tens of milliseconds.
 */
export class IdleMemory {
  readonly #world: MemoryWorld;
  readonly #timer: ReturnType<typeof setInterval>;
  #seen: { cpuMs: number; atMs: number };
  /** Resident bytes after memory was given back; 0: it never was. */
  #leastBytes = 0;

  /** Begins to look. `lookMs` are the milliseconds between two looks. @default lookMs 5000 */
  constructor(world: MemoryWorld = processMemory(), { lookMs = LOOK_MS } = {}) {
    this.#world = world;
    this.#seen = { cpuMs: world.cpuMs(), atMs: world.now() };
    this.#timer = setInterval(() => this.look(), lookMs);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Gives memory back if the process is idle and has grown. Returns whether it did. */
  look(): boolean {
    const { cpuMs, atMs } = this.#seen;
    this.#seen = { cpuMs: this.#world.cpuMs(), atMs: this.#world.now() };
    const busy = this.#seen.cpuMs - cpuMs > IDLE_CORE_SHARE * (this.#seen.atMs - atMs);
    if (busy || this.#world.residentBytes() < this.#leastBytes + GROWN_BYTES) return false;
    this.#world.giveBack();
    this.#leastBytes = this.#world.residentBytes();
    return true;
  }

  /** Ends looking. */
  close(): void {
    clearInterval(this.#timer);
  }
}

/**
 * The memory of this process. Garbage is collected where V8 was started with `--expose-gc`; the C
 * library's pools are limited from now on, and given back, on Linux with glibc where the program
 * may call native libraries.
 */
export function processMemory(): MemoryWorld {
  library ??= openLibrary() ?? null;
  return {
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    now: () => performance.now(),
    residentBytes: () => Deno.memoryUsage().rss,
    giveBack: () => {
      (globalThis as { gc?: () => void }).gc?.();
      library?.trim();
      library?.dropCode();
    },
  };
}

/** The C library of this process, opened once; null: it cannot be called. */
let library: CLibrary | null | undefined;

/** The part of the C library that gives memory back. */
interface CLibrary {
  /** Returns freed memory of all pools. */
  trim(): void;
  /** Drops the pages of all program code that is loaded, which is read again where it is used. */
  dropCode(): void;
}

/**
 * Opens the C library and limits its pools; undefined where this program may not call it, or where
 * it is another one than glibc.
 */
function openLibrary(): CLibrary | undefined {
  const allowed = Deno.permissions.querySync({ name: "ffi" }).state === "granted";
  if (Deno.build.os !== "linux" || !allowed) return undefined;
  try {
    const { symbols } = Deno.dlopen("libc.so.6", {
      mallopt: { parameters: ["i32", "i32"], result: "i32" },
      malloc_trim: { parameters: ["usize"], result: "i32" },
      sysconf: { parameters: ["i32"], result: "i64" },
      madvise: { parameters: ["u64", "usize", "i32"], result: "i32" },
      dl_iterate_phdr: { parameters: ["function", "pointer"], result: "i32" },
    });
    symbols.mallopt(M_ARENA_MAX, POOLS);
    const page = symbols.sysconf(SC_PAGESIZE);
    const visit = new Deno.UnsafeCallback(
      { parameters: ["pointer", "usize", "pointer"], result: "i32" },
      (info) => {
        for (const { start, bytes } of codeOf(info, page)) {
          symbols.madvise(start, bytes, MADV_DONTNEED);
        }
        return 0; // go on with the next object
      },
    );
    return {
      trim: () => void symbols.malloc_trim(0n),
      dropCode: () => void symbols.dl_iterate_phdr(visit.pointer, null),
    };
  } catch {
    return undefined;
  }
}

/**
 * Whole pages of the segments of a loaded object that can be executed and not written, which are
 * therefore the same as in its file. `info` is a `dl_phdr_info` of link.h, with the `Elf64_Phdr` of
 * elf.h.
 */
function* codeOf(
  info: Deno.PointerValue,
  page: bigint,
): Generator<{ start: bigint; bytes: bigint }> {
  const object = new Deno.UnsafePointerView(info!);
  const base = object.getBigUint64(0);
  const headers = object.getPointer(16);
  const count = object.getUint16(24);
  if (headers === null) return;
  const view = new Deno.UnsafePointerView(headers);
  for (let at = 0; at < count * PHDR_BYTES; at += PHDR_BYTES) {
    if (view.getUint32(at) !== PT_LOAD || view.getUint32(at + 4) !== READ_EXECUTE) continue;
    const first = base + view.getBigUint64(at + 16);
    const end = first + view.getBigUint64(at + 32); // p_filesz
    const start = first / page * page;
    yield { start, bytes: (end + page - 1n) / page * page - start };
  }
}
