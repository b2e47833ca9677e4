/**
 * ONNX Runtime by its C interface, as far as a stage needs it: the library is the one that
 * `onnxruntime-node` brings.
 *
 * That package's own binding (1.30) copies every output of a run into a new buffer, also one that
 * was handed in to be written to: each frame then copied the keys and values of the whole arena,
 * rows that nobody asked about included, and left them to the garbage collector. Measured on 6
 * layers of a 0.5B shape, a frame of one row, processor time: 3.7 ms in an arena of 1024 rows, 16.8
 * in one of 12288; here 2.9 in both.
 *
 * @module
 */

/**
 * Functions are named by their place in `OrtApi`, which only ever grows at its end
 * (onnxruntime_c_api.h).
 */
const API_VERSION = 17;
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
} as const;

/** ONNX's numbers of element types. */
const TYPES = { float32: 1, int32: 6, int64: 7 } as const;
/** Warnings and what is worse. */
const LOG_LEVEL = 2;

/** A tensor without elements must have an address too. */
const NOTHING = new Float32Array(new ArrayBuffer(8));

type Pointer = Deno.PointerValue;
type Data = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;

/** The library's functions and what is made once. */
class Ort {
  static #one?: Ort;
  readonly #api: Deno.UnsafePointerView;
  readonly #message: Deno.UnsafeFnPointer<{ parameters: ["pointer"]; result: "pointer" }>;
  readonly #releaseStatus: Deno.UnsafeFnPointer<{ parameters: ["pointer"]; result: "void" }>;
  readonly env: Pointer;
  readonly cpu: Pointer;
  readonly createTensor: (...args: unknown[]) => void;
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
    this.cpu = made((out) => createMemoryInfo(0, 0, out)); // OrtDeviceAllocator, OrtMemTypeDefault
    this.createTensor = this.status("CreateTensorWithDataAsOrtValue", [
      ...["pointer", "pointer", "usize", "buffer", "usize", "i32", "buffer"] as const,
    ]);
    this.releaseValue = this.release("ReleaseValue");
  }

  /** The one of this thread. Throws Error before {@linkcode Ort.open}. */
  static get(): Ort {
    if (!this.#one) throw new Error("ONNX Runtime was not opened");
    return this.#one;
  }

  /** Opens the library, unless this thread has. */
  static open(library: string): Ort {
    return this.#one ??= new Ort(library);
  }

  /** A function that returns a status; it throws what that says. */
  status(name: keyof typeof PLACES, parameters: Deno.NativeType[]): (...args: unknown[]) => void {
    const fn = this.#function(name, parameters, "pointer");
    return (...args) => {
      const status = (fn.call as (...args: unknown[]) => Pointer)(...args);
      if (status === null) return;
      const message = Deno.UnsafePointerView.getCString(this.#message.call(status)!);
      this.#releaseStatus.call(status);
      throw new Error(message);
    };
  }

  /** A function that releases what it is given. */
  release(name: keyof typeof PLACES): (pointer: Pointer) => void {
    const fn = this.#function(name, ["pointer"], "void");
    return (pointer) => fn.call(pointer);
  }

  #function<P extends Deno.NativeType[], R extends Deno.NativeResultType>(
    name: keyof typeof PLACES,
    parameters: [...P],
    result: R,
  ) {
    return new Deno.UnsafeFnPointer(this.#api.getPointer(PLACES[name] * 8)!, {
      parameters,
      result,
    });
  }
}

/** Elements that a session reads or writes: a view, nothing is copied. */
export class Tensor {
  readonly #data: Data;
  #value: Pointer;

  /**
   * A tensor over `data`, whose buffer must stay as it is until {@linkcode Tensor.release}. Throws
   * Error for a wrong size.
   */
  constructor(type: keyof typeof TYPES, data: Data, dims: number[]) {
    const ort = Ort.get();
    this.#data = data;
    const { byteLength } = data;
    const shape = BigInt64Array.from(dims, BigInt);
    const address = addressOf(byteLength > 0 ? data : NOTHING);
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

  /** The library's handle. Throws Error after {@linkcode Tensor.release}. */
  get value(): Pointer {
    if (this.#value === null) {
      throw new Error(`a tensor of ${this.#data.length} elements was released`);
    }
    return this.#value;
  }

  /** Its buffer may go. */
  release(): void {
    if (this.#value === null) return;
    Ort.get().releaseValue(this.#value);
    this.#value = null;
  }
}

/** Tensors by the names of a graph's inputs or outputs. */
export type Tensors = Record<string, Tensor>;

/** How a {@linkcode Session} computes. */
export interface SessionOptions {
  /** Threads that compute one operator. */
  threads: number;
  /** Do threads without work spin or sleep? */
  spinning: boolean;
  /** Path of the library, see `library.ts`. */
  library: string;
}

/** A loaded graph. Calls compute on the calling thread and are not to overlap. */
export class Session {
  readonly #ort: Ort;
  readonly #run: (...args: unknown[]) => void;
  /** Names as C strings, kept where they are. */
  readonly #names = new Map<string, Uint8Array<ArrayBuffer>>();
  #session: Pointer;

  /** Loads an ONNX file. Throws Error with the library's words. */
  constructor(path: string, { threads, spinning, library }: SessionOptions) {
    const ort = this.#ort = Ort.open(library);
    this.#run = ort.status("Run", [
      ...["pointer", "pointer", "buffer", "buffer", "usize", "buffer", "usize", "buffer"] as const,
    ]);
    const createOptions = ort.status("CreateSessionOptions", ["buffer"]);
    const options = made((out) => createOptions(out));
    try {
      // Frames differ in shape, so a remembered memory plan never fits.
      ort.status("DisableMemPattern", ["pointer"])(options);
      ort.status("DisableCpuMemArena", ["pointer"])(options);
      ort.status("SetIntraOpNumThreads", ["pointer", "i32"])(options, threads);
      ort.status("SetInterOpNumThreads", ["pointer", "i32"])(options, 1);
      const configure = ort.status("AddSessionConfigEntry", ["pointer", "buffer", "buffer"]);
      configure(options, text("session.intra_op.allow_spinning"), text(spinning ? "1" : "0"));
      const create = ort.status("CreateSession", ["pointer", "buffer", "pointer", "buffer"]);
      this.#session = made((out) => create(ort.env, pathText(path), options, out));
    } finally {
      ort.release("ReleaseSessionOptions")(options);
    }
  }

  /**
   * Computes the outputs from the inputs, into the tensors given. Throws Error with the library's
   * words.
   */
  run(inputs: Tensors, outputs: Tensors): void {
    const [inputNames, inputValues] = this.#list(inputs);
    const [outputNames, outputValues] = this.#list(outputs);
    this.#run(
      ...[this.#session, null, inputNames, inputValues, BigInt(inputValues.length)],
      ...[outputNames, BigInt(outputValues.length), outputValues],
    );
  }

  /** Frees the graph and its weights. */
  release(): void {
    if (this.#session === null) return;
    this.#ort.release("ReleaseSession")(this.#session);
    this.#session = null;
  }

  /** Addresses of names and handles of values. */
  #list(
    tensors: Tensors,
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

/** What a function writes to its last parameter. */
function made(create: (out: BigUint64Array<ArrayBuffer>) => void): Pointer {
  const out = new BigUint64Array(new ArrayBuffer(8));
  create(out);
  return Deno.UnsafePointer.create(out[0]);
}

/** Where a view's elements stand; they do not move, as their buffer is not part of the view. */
const addressOf = (view: Data | Uint8Array<ArrayBuffer>): Pointer =>
  Deno.UnsafePointer.of(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));

/** A C string in a buffer of its own. */
function text(string: string): Uint8Array<ArrayBuffer> {
  const chars = new TextEncoder().encode(string);
  const result = new Uint8Array(new ArrayBuffer(chars.length + 1));
  result.set(chars);
  return result;
}

/** A path as the library takes it: wide characters on Windows. */
function pathText(path: string): Uint8Array<ArrayBuffer> {
  if (Deno.build.os !== "windows") return text(path);
  const wide = new Uint16Array(new ArrayBuffer(2 * path.length + 2));
  for (let i = 0; i < path.length; i++) wide[i] = path.charCodeAt(i);
  return new Uint8Array(wide.buffer);
}
