/**
 * ONNX Runtime by its C interface, as far as a stage needs it. The library is the one in the
 * package `onnxruntime-node`.
 *
 * That package's own binding (1.30) is not used, since it copies every output of a run into a new
 * buffer, even when the caller gives a buffer to write to. Each frame would copy the keys and
 * values of the whole arena and leave the copy to the garbage collector. Measured on 6 layers of a
 * 0.5B shape, CPU time of a frame of one row: by the binding 3.7 ms in an arena of 1024 rows and
 * 16.8 ms in one of 12288 rows; by this file 2.9 ms in both.
 *
 * @module
 */

import { dirname } from "node:path";
import type { ExternalTensor } from "../../models/graph/contract.ts";
import { HugePages } from "./huge_pages.ts";
import { MappedWeights } from "./mapped_weights.ts";

/** Version of the C interface that is asked for: the lowest that has all functions used here. */
const API_VERSION = 17;
/**
 * Index of each function in the struct `OrtApi` of onnxruntime_c_api.h. New versions only append
 * functions, so an index stays valid.
 */
const PLACES = {
  GetErrorMessage: 2,
  CreateEnv: 3,
  DisableTelemetryEvents: 6,
  CreateSession: 7,
  Run: 9,
  CreateSessionOptions: 10,
  DisableMemPattern: 17,
  DisableCpuMemArena: 19,
  SetIntraOpNumThreads: 24,
  SetInterOpNumThreads: 25,
  CreateTensorWithDataAsOrtValue: 49,
  CreateCpuMemoryInfo: 69,
  ReleaseStatus: 93,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseSessionOptions: 100,
  AddSessionConfigEntry: 130,
  AddInitializer: 150,
} as const;

/** Element types and their numbers in `ONNXTensorElementDataType`. */
const TYPES = { float32: 1, int32: 6, int64: 7 } as const;
/** `ORT_LOGGING_LEVEL_WARNING`: the library prints warnings and errors. */
const LOG_LEVEL = 2;
/** `OrtDeviceAllocator` and `OrtMemTypeDefault`: plain memory of the CPU. */
const [DEVICE_ALLOCATOR, DEFAULT_MEMORY] = [0, 0];

/**
 * Bytes of weight files from which on a session's memory is put on huge pages: less than this stays
 * in the processor's cache, or in the part of it that is looked up quickly.
 */
export const HUGE_FROM_BYTES: number = 32 << 20;

/** Bytes of a pointer. */
const POINTER_BYTES = 8;
/** Address of a tensor without elements: the library refuses null. */
const NOTHING = new Float32Array(new ArrayBuffer(8));

type Pointer = Deno.PointerValue;
type Data = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;

/** The opened library of this thread: its functions, and the objects that are made once. */
class Ort {
  static #one?: Ort;
  /** The struct `OrtApi`: a table of function pointers. */
  readonly #api: Deno.UnsafePointerView;
  readonly #message: Deno.UnsafeFnPointer<{ parameters: ["pointer"]; result: "pointer" }>;
  /** What functions that run on other threads now may read and write. */
  readonly #inUse = new Set<unknown[]>();
  readonly #releaseStatus: Deno.UnsafeFnPointer<{ parameters: ["pointer"]; result: "void" }>;
  /** `OrtEnv`, which every session of the thread uses. */
  readonly env: Pointer;
  /** `OrtMemoryInfo` of the CPU's memory, which every tensor lies in. */
  readonly cpu: Pointer;
  /** `CreateTensorWithDataAsOrtValue`. Throws Error with the library's message. */
  readonly createTensor: (...args: unknown[]) => void;
  /** `ReleaseValue`. */
  readonly releaseValue: (pointer: Pointer) => void;

  private constructor(library: string) {
    const { symbols } = Deno.dlopen(library, {
      OrtGetApiBase: { parameters: [], result: "pointer" },
    });
    const base = new Deno.UnsafePointerView(symbols.OrtGetApiBase()!);
    const getApi = new Deno.UnsafeFnPointer(base.getPointer(0)!, {
      parameters: ["u32"],
      result: "pointer",
    });
    const api = getApi.call(API_VERSION);
    if (api === null) throw new Error(`ONNX Runtime has no interface of version ${API_VERSION}`);
    this.#api = new Deno.UnsafePointerView(api);
    this.#message = this.#function("GetErrorMessage", ["pointer"], "pointer");
    this.#releaseStatus = this.#function("ReleaseStatus", ["pointer"], "void");
    const createEnv = this.status("CreateEnv", ["i32", "buffer", "buffer"]);
    this.env = made((out) => createEnv(LOG_LEVEL, text("orrery"), out));
    // Windows has no other switch; elsewhere library.ts has switched telemetry off already.
    this.status("DisableTelemetryEvents", ["pointer"])(this.env);
    const createMemoryInfo = this.status("CreateCpuMemoryInfo", ["i32", "i32", "buffer"]);
    this.cpu = made((out) => createMemoryInfo(DEVICE_ALLOCATOR, DEFAULT_MEMORY, out));
    this.createTensor = this.status("CreateTensorWithDataAsOrtValue", [
      "pointer",
      "pointer",
      "usize",
      "buffer",
      "usize",
      "i32",
      "buffer",
    ]);
    this.releaseValue = this.release("ReleaseValue");
  }

  /** The library as this thread opened it. Throws Error before {@linkcode Ort.open}. */
  static get(): Ort {
    if (!this.#one) throw new Error("ONNX Runtime was not opened");
    return this.#one;
  }

  /** Opens the library at this path, unless this thread has opened it already. */
  static open(library: string): Ort {
    return this.#one ??= new Ort(library);
  }

  /** A function that returns a status. The wrapper throws Error with the status's message. */
  status(name: keyof typeof PLACES, parameters: Deno.NativeType[]): (...args: unknown[]) => void {
    const fn = this.#function(name, parameters, "pointer");
    return (...args) => this.#check((fn.call as (...args: unknown[]) => Pointer)(...args));
  }

  /**
   * As {@linkcode Ort.status}, but the function runs on a thread of Deno's pool while this one goes
   * on. The arguments, and `kept`, to which their elements may point, are kept from the garbage
   * collector meanwhile.
   */
  aside(
    name: keyof typeof PLACES,
    parameters: Deno.NativeType[],
  ): (args: unknown[], kept?: unknown) => Promise<void> {
    const fn = new Deno.UnsafeFnPointer(this.#api.getPointer(PLACES[name] * POINTER_BYTES)!, {
      parameters,
      result: "pointer",
      nonblocking: true,
    });
    const call = fn.call as (...args: unknown[]) => Promise<Pointer>;
    return async (args, kept) => {
      const used = [args, kept];
      this.#inUse.add(used);
      try {
        this.#check(await call.apply(fn, args));
      } finally {
        this.#inUse.delete(used);
      }
    };
  }

  /** Throws Error with a status's message and releases it; null says that all is well. */
  #check(status: Pointer): void {
    if (status === null) return;
    const message = Deno.UnsafePointerView.getCString(this.#message.call(status)!);
    this.#releaseStatus.call(status);
    throw new Error(message);
  }

  /** A function that releases an object of the library. */
  release(name: keyof typeof PLACES): (pointer: Pointer) => void {
    const fn = this.#function(name, ["pointer"], "void");
    return (pointer) => fn.call(pointer);
  }

  #function<P extends Deno.NativeType[], R extends Deno.NativeResultType>(
    name: keyof typeof PLACES,
    parameters: [...P],
    result: R,
  ) {
    return new Deno.UnsafeFnPointer(this.#api.getPointer(PLACES[name] * POINTER_BYTES)!, {
      parameters,
      result,
    });
  }
}

/**
 * Opens the library at this path for this thread; {@linkcode Session.open} does it otherwise. It
 * stays open.
 */
export function openRuntime(library: string): void {
  Ort.open(library);
}

/** A tensor that a session reads or writes in place: a view of its elements, without a copy. */
export class OrtTensor {
  readonly #data: Data;
  #value: Pointer;

  /**
   * A tensor over `data`, with `dims` elements along each axis. The buffer must not be transferred
   * or resized before {@linkcode OrtTensor.release}. Throws Error where `data` has fewer elements
   * than `dims` say.
   *
   * @param skip Elements of `data` before the tensor's first one. The last `skip` elements of such
   * a tensor lie beyond the buffer: only an operator that touches none of them may get it.
   */
  constructor(type: keyof typeof TYPES, data: Data, dims: number[], skip = 0) {
    const ort = Ort.get();
    this.#data = data;
    const { byteLength } = data;
    const shape = BigInt64Array.from(dims, BigInt);
    const address = addressOf(byteLength > 0 ? data.subarray(skip) : NOTHING);
    this.#value = made((out) =>
      ort.createTensor(
        ort.cpu,
        address,
        BigInt(byteLength),
        shape,
        BigInt(dims.length),
        TYPES[type],
        out,
      )
    );
  }

  /** The library's handle. Throws Error after {@linkcode OrtTensor.release}. */
  get value(): Pointer {
    if (this.#value === null) {
      throw new Error(`a tensor of ${this.#data.length} elements was released`);
    }
    return this.#value;
  }

  /** Ends the use of the buffer: it may be freed or transferred. A second call does nothing. */
  release(): void {
    if (this.#value === null) return;
    Ort.get().releaseValue(this.#value);
    this.#value = null;
  }
}

/** i64 tensor of non-negative numbers below 2^31. */
export function int64Tensor(values: ArrayLike<number>, dims: number[]): OrtTensor {
  const words = new Int32Array(2 * values.length);
  // Little-endian: the low words come first.
  for (let i = 0; i < values.length; i++) words[2 * i] = values[i];
  return new OrtTensor("int64", new BigInt64Array(words.buffer), dims);
}

/** Tensors by the names of a graph's inputs or outputs. */
export type OrtTensors = Record<string, OrtTensor>;

/** Options of a {@linkcode Session}. */
export interface SessionOptions {
  /** Threads that compute one operator. */
  threads: number;
  /** true: threads without work spin; false: they sleep. */
  spinning: boolean;
  /** Path of ONNX Runtime's library, see `library.ts`. */
  library: string;
  /** The graph's constants in files of its folder. @default ONNX Runtime reads them by itself */
  external?: readonly ExternalTensor[];
  /** Whether the session's memory is put on huge pages where it is large. @default true */
  hugePages?: boolean;
}

/** A loaded graph. Its runs must not overlap. */
export class Session {
  readonly #ort: Ort;
  readonly #run: (args: unknown[], kept: unknown) => Promise<void>;
  /** Names of inputs and outputs as C strings; the library gets the addresses of these buffers. */
  readonly #names = new Map<string, Uint8Array<ArrayBuffer>>();
  /** What the session reads of weight files; undefined: ONNX Runtime has mapped them itself. */
  readonly #constants?: MappedConstants;
  #session: Pointer;

  private constructor(ort: Ort, session: Pointer, constants?: MappedConstants) {
    this.#ort = ort;
    this.#session = session;
    this.#constants = constants;
    this.#run = ort.aside("Run", [
      "pointer",
      "pointer",
      "buffer",
      "buffer",
      "usize",
      "buffer",
      "usize",
      "buffer",
    ]);
  }

  /**
   * Loads the ONNX file at `path`, on a thread of Deno's pool. Throws Error with the library's
   * message.
   */
  static async open(
    path: string,
    { threads, spinning, library, external = [], hugePages = true }: SessionOptions,
  ): Promise<Session> {
    const ort = Ort.open(library);
    let constants: MappedConstants | undefined;
    let pages: HugePages | undefined;
    const createOptions = ort.status("CreateSessionOptions", ["buffer"]);
    const options = made((out) => createOptions(out));
    try {
      // A memory pattern is planned for one shape of inputs, and frames differ in shape.
      ort.status("DisableMemPattern", ["pointer"])(options);
      ort.status("DisableCpuMemArena", ["pointer"])(options);
      ort.status("SetIntraOpNumThreads", ["pointer", "i32"])(options, threads);
      ort.status("SetInterOpNumThreads", ["pointer", "i32"])(options, 1);
      const configure = ort.status("AddSessionConfigEntry", ["pointer", "buffer", "buffer"]);
      configure(options, text("session.intra_op.allow_spinning"), text(spinning ? "1" : "0"));
      constants = mapConstants(ort, options, dirname(path), external);
      const create = ort.aside("CreateSession", ["pointer", "buffer", "pointer", "buffer"]);
      const out = pointerSpace();
      const bytes = external.reduce((sum, { length }) => sum + length, 0);
      pages = hugePages && bytes >= HUGE_FROM_BYTES ? HugePages.note() : undefined;
      await create([ort.env, pathText(path), options, out]);
      constants?.weights.drop();
      await pages?.collapseNew();
      return new Session(ort, pointerIn(out), constants);
    } catch (error) {
      if (constants) freeConstants(ort, constants);
      throw error;
    } finally {
      pages?.close();
      ort.release("ReleaseSessionOptions")(options);
    }
  }

  /**
   * Computes the outputs from the inputs and writes them to the given tensors, on a thread of
   * Deno's pool: this thread goes on meanwhile, and must leave the tensors' buffers alone. Throws
   * Error with the library's message.
   */
  async run(inputs: OrtTensors, outputs: OrtTensors): Promise<void> {
    const [inputNames, inputValues] = this.#list(inputs);
    const [outputNames, outputValues] = this.#list(outputs);
    await this.#run([
      this.#session,
      null,
      inputNames,
      inputValues,
      BigInt(inputValues.length),
      outputNames,
      BigInt(outputValues.length),
      outputValues,
    ], [inputs, outputs]);
  }

  /** Frees the graph and its weights. */
  release(): void {
    if (this.#session === null) return;
    this.#ort.release("ReleaseSession")(this.#session);
    this.#session = null;
    if (this.#constants) freeConstants(this.#ort, this.#constants);
  }

  /** Addresses of the names and handles of the values, as two arrays of pointers. */
  #list(
    tensors: OrtTensors,
  ): [names: BigUint64Array<ArrayBuffer>, values: BigUint64Array<ArrayBuffer>] {
    const entries = Object.entries(tensors);
    const names = new BigUint64Array(entries.length);
    const values = new BigUint64Array(entries.length);
    for (const [i, [name, { value }]] of entries.entries()) {
      let chars = this.#names.get(name);
      if (!chars) this.#names.set(name, chars = text(name));
      names[i] = Deno.UnsafePointer.value(addressOf(chars));
      values[i] = Deno.UnsafePointer.value(value);
    }
    return [names, values];
  }
}

/** Tensors over mapped weight files. Both must live as long as the session. */
interface MappedConstants {
  weights: MappedWeights;
  /** `OrtValue` of each tensor. */
  values: Pointer[];
}

/**
 * Maps the weight files in a folder and hands their tensors over, after which the library maps none
 * itself. Undefined on systems where it does.
 */
function mapConstants(
  ort: Ort,
  options: Pointer,
  folder: string,
  external: readonly ExternalTensor[],
): MappedConstants | undefined {
  const weights = MappedWeights.open(folder, external);
  if (!weights) return undefined;
  const constants: MappedConstants = { weights, values: [] };
  const add = ort.status("AddInitializer", ["pointer", "buffer", "pointer"]);
  try {
    for (const tensor of external) {
      const { name, type, dims, length } = tensor;
      const shape = BigInt64Array.from(dims, BigInt);
      const [address, rank] = [weights.address(tensor), BigInt(dims.length)];
      const value = made((out) =>
        ort.createTensor(ort.cpu, address, BigInt(length), shape, rank, type, out)
      );
      constants.values.push(value);
      add(options, text(name), value);
    }
  } catch (error) {
    freeConstants(ort, constants);
    throw error;
  }
  return constants;
}

/** Releases the tensors and unmaps the files. */
function freeConstants(ort: Ort, { weights, values }: MappedConstants): void {
  for (const value of values) ort.releaseValue(value);
  weights.close();
}

/** The pointer that `create` writes to its output parameter. */
function made(create: (out: BigUint64Array<ArrayBuffer>) => void): Pointer {
  const out = pointerSpace();
  create(out);
  return pointerIn(out);
}

/** Memory for an output parameter that is a pointer. */
const pointerSpace = () => new BigUint64Array(new ArrayBuffer(POINTER_BYTES));

/** The pointer in an output parameter. */
const pointerIn = (out: BigUint64Array<ArrayBuffer>): Pointer => Deno.UnsafePointer.create(out[0]);

/**
 * Address of a view's first element. It stays valid while the buffer lives: the elements of an
 * ArrayBuffer do not move when the garbage collector moves the view.
 */
const addressOf = (view: Data | Uint8Array<ArrayBuffer>): Pointer =>
  Deno.UnsafePointer.of(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));

/** A C string (UTF-8 with a final 0) in a buffer of its own. */
function text(string: string): Uint8Array<ArrayBuffer> {
  const chars = new TextEncoder().encode(string);
  const result = new Uint8Array(new ArrayBuffer(chars.length + 1));
  result.set(chars);
  return result;
}

/** A path as the library takes it: UTF-16 on Windows, else a C string. */
function pathText(path: string): Uint8Array<ArrayBuffer> {
  if (Deno.build.os !== "windows") return text(path);
  const wide = new Uint16Array(new ArrayBuffer(2 * path.length + 2));
  for (let i = 0; i < path.length; i++) wide[i] = path.charCodeAt(i);
  return new Uint8Array(wide.buffer);
}
