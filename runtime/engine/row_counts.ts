/**
 * The numbers of rows that attention reads, in memory that a stage keeps.
 *
 * Each layer reads them anew, while a frame is computed on another thread. Once a last layer found
 * another number than the layers before it (`docs/decisions.md`, "Numbers that every layer reads stay
 * where they are"). So they lie in one buffer for as long as the stage lives: none is made or freed for
 * a frame, and where a frame fails it can be told whether one of them has changed.
 *
 * @module
 */
import { OrtTensor, type OrtTensors } from "./ort.ts";

/** Names of the inputs, in the order of their words; see `models/graph/contract.ts`. */
const NAMES = ["past_rows", "total_rows", "window_past_rows", "window_total_rows"];

/** See the module's text. Frames use it one after the other. */
export class RowCounts {
  /** The numbers as sessions read them. i32 (4) */
  readonly memory: Int32Array<ArrayBuffer> = new Int32Array(NAMES.length);
  /** What was written there. */
  #given: number[] = NAMES.map(() => 0);
  /** Inputs of a session: `past_rows` and `window_past_rows` i32 (1), the others i32 (). */
  readonly feeds: OrtTensors = {};

  /** ONNX Runtime must be open in this thread. */
  constructor() {
    for (const [i, name] of NAMES.entries()) {
      const dims = name.endsWith("past_rows") ? [1] : [];
      this.feeds[name] = new OrtTensor("int32", this.memory.subarray(i, i + 1), dims);
    }
  }

  /**
   * Writes the numbers of a frame: the slots that its last row may attend to, its own among them,
   * and those in windowed layers. No frame may be running.
   */
  set(total: number, windowTotal: number = total): void {
    this.#given = [total - 1, total, windowTotal - 1, windowTotal];
    this.memory.set(this.#given);
  }

  /** Which number is not what was written, in words; undefined: all are. */
  changed(): string | undefined {
    const at = this.#given.findIndex((given, i) => this.memory[i] !== given);
    if (at < 0) return undefined;
    return `its input ${NAMES[at]} was ${this.#given[at]} and is ${this.memory[at]} now`;
  }

  /** Frees the tensors. */
  release(): void {
    for (const tensor of Object.values(this.feeds)) tensor.release();
  }
}
