/**
 * One request of a session and its answer: bytes in both directions.
 *
 * Events beside those of any duplex stream: `response`, with the answer's fields, at whoever asked.
 *
 * @module
 */
import { Duplex } from "node:stream";
import { CODE } from "./frames.ts";
import type { HeaderFields } from "./hpack.ts";

/** What a stream needs of its session. */
export interface StreamOwner {
  /** Sends an answer's fields. */
  respond(stream: Http2Stream, fields: HeaderFields): void;
  /** There are bytes to send, or the end. */
  ready(stream: Http2Stream): void;
  /** Bytes that came were taken: the other side may send as many more. */
  consumed(stream: Http2Stream, bytes: number): void;
  /** The stream is over; `code` goes to the other side unless both have ended. */
  over(stream: Http2Stream, code: number): void;
}

/** What waits to be sent. */
interface PendingWrite {
  /** Bytes that are left; undefined: the end of this side. */
  bytes?: Uint8Array;
  done: (error?: Error | null) => void;
}

/** Bytes that are kept in a stream before the other side or the writer has to wait. */
const HIGH_WATER_BYTES = 64 * 1024;

/** See the module's text. */
export class Http2Stream extends Duplex {
  /** Number of the stream in its session. */
  readonly id: number;
  readonly #owner: StreamOwner;
  /** Bytes that this side may send. */
  sendWindow: number;
  /** Bytes that the other side may send. */
  receiveWindow: number;
  /** Bytes that came and that the reader has not taken. */
  unconsumed = 0;
  /** Bytes that the reader has taken and whose room the session has not given back. */
  owed = 0;
  /** This side has sent its end. */
  localEnd = false;
  /** The other side has sent its end. */
  remoteEnd = false;
  #headersSent = false;
  #pending?: PendingWrite;
  #code: number = CODE.cancel;
  #closed = false;

  constructor(
    id: number,
    owner: StreamOwner,
    windows: { send: number; receive: number },
  ) {
    super({
      readableHighWaterMark: HIGH_WATER_BYTES,
      writableHighWaterMark: HIGH_WATER_BYTES,
      allowHalfOpen: true,
    });
    this.id = id;
    this.#owner = owner;
    this.on("error", () => {}); // whoever cares listens too; nobody's fault may end the process
    this.sendWindow = windows.send;
    this.receiveWindow = windows.receive;
  }

  /** Whether the answer's fields were sent. */
  get headersSent(): boolean {
    return this.#headersSent;
  }

  /** Sends the answer's fields, once; does nothing where the stream is over. */
  respond(fields: HeaderFields): void {
    if (this.#headersSent || this.destroyed) return;
    this.#headersSent = true;
    this.#owner.respond(this, fields);
  }

  /** Ends the stream now, in both directions. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#code = CODE.none;
    this.destroy();
  }

  /** What is to be sent next; undefined: nothing is. */
  get pending(): PendingWrite | undefined {
    return this.#pending;
  }

  /** The first `bytes` bytes of what is to be sent were sent, or the end. */
  sent(bytes: number): void {
    const { bytes: all, done } = this.#pending!;
    if (all && bytes < all.length) {
      this.#pending = { bytes: all.subarray(bytes), done };
      return;
    }
    this.#pending = undefined;
    done();
  }

  /** Bytes came. */
  received(part: Uint8Array): void {
    this.unconsumed += part.length;
    // The bytes are a part of a buffer that is the socket's no more: nobody writes into it.
    if (this.push(part)) this.#give();
  }

  /** The other side has sent its end. */
  receivedEnd(): void {
    if (this.remoteEnd) return;
    this.remoteEnd = true;
    this.push(null);
  }

  /** The other side has ended the stream, in both directions. */
  receivedReset(code: number): void {
    this.localEnd = this.remoteEnd = true; // nothing more may be sent
    const orderly = code === CODE.none || code === CODE.cancel;
    if (!orderly) return void this.destroy(new Error(`the other side ended the stream: ${code}`));
    if (!this.readableEnded) this.push(null);
    // What came before is read first.
    if (this.readableLength === 0 || this.readableFlowing === null) this.destroy();
    else this.once("end", () => this.destroy());
  }

  override _read(): void {
    this.#give();
  }

  override _write(
    chunk: Uint8Array,
    _encoding: string,
    done: (error?: Error | null) => void,
  ): void {
    this.#pending = { bytes: chunk, done };
    this.#owner.ready(this);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#pending = { done };
    this.#owner.ready(this);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#owner.over(this, error ? CODE.internal : this.#code);
    done(error);
    pending?.done(error ?? new Error("the stream was ended"));
  }

  #give(): void {
    const bytes = this.unconsumed;
    if (bytes === 0) return;
    this.unconsumed = 0;
    this.#owner.consumed(this, bytes);
  }
}
