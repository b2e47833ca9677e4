/**
 * A connection that speaks HTTP/2, from either side.
 *
 * Events: `stream` (a request came: the stream and its fields), `connect`, `error` (the socket
 * failed, or the other side broke the protocol), `close`.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import {
  CODE,
  FLAG,
  FRAME,
  frame,
  type FrameHead,
  FrameParser,
  headOf,
  Http2ProtocolError,
  words,
} from "./frames.ts";
import { DataPadding } from "./data_padding.ts";
import { HeaderBlocks, type ReadFields } from "./header_blocks.ts";
import { type HeaderFields, writeFields } from "./hpack.ts";
import { Http2Stream, type StreamOwner } from "./stream.ts";

/** Options of a {@linkcode Http2Session}. */
export interface Http2SessionOptions {
  /** Which side this is. */
  side: "client" | "server";
  /** `:authority` of requests. @default "mailbox" */
  authority?: string;
  /** Bytes that the other side may send on a stream before they are taken. @default 65535 */
  streamWindow?: number;
  /** Bytes that it may send on all streams before they are taken. @default 65535 */
  sessionWindow?: number;
  /** Longest payload of a frame that it may send, bytes. @default 16384 */
  frameBytes?: number;
}

/** The first bytes of a client. */
const PREFACE = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** What holds before settings came. */
const [USUAL_WINDOW, USUAL_FRAME_BYTES] = [65_535, 16_384];
const MOST_WINDOW = 0x7fffffff;
/** Numbers of settings. */
const SETTING = { push: 2, streams: 3, window: 4, frameBytes: 5 } as const;
/** Streams that the other side may have open at once. */
const MOST_STREAMS = 100;
/** Bytes of answers to pings and settings that may wait for a client that reads nothing. */
const MOST_CONTROL_BYTES = 1024 * 1024;
/** Room is given back when this share of a window was taken. */
const GIVE_SHARE = 1 / 4;

/** A ping that waits for its answer. */
type Ponged = (error: Error | null) => void;

/** See the module's text. */
export class Http2Session extends EventEmitter {
  /** The connection. */
  readonly socket: Socket;
  readonly #options: Required<Http2SessionOptions>;
  readonly #streams = new Map<number, Http2Stream>();
  readonly #parser: FrameParser;
  /** Bytes of a client's preface that have come; those of a server count as come. */
  #prefaced: number;
  #settingsCame = false;
  #nextId: number;
  /** Highest stream of the other side. */
  #lastId = 0;
  #sendWindow = USUAL_WINDOW;
  #streamSendWindow = USUAL_WINDOW;
  #frameBytes = USUAL_FRAME_BYTES;
  #receiveWindow: number;
  /** Bytes that came on the session and whose room was not given back. */
  #owed = 0;
  readonly #blocks = new HeaderBlocks();
  readonly #padding = new DataPadding();
  #pings = 0;
  readonly #ponged = new Map<number, Ponged>();
  /** Streams that have something to send and no room for it. */
  readonly #blocked = new Set<Http2Stream>();
  /** The other side takes no further requests. */
  #goneAway = false;
  #closed = false;
  readonly #owner: StreamOwner;

  /** Speaks on a socket, which may still be connecting. */
  constructor(socket: Socket, options: Http2SessionOptions) {
    super();
    this.socket = socket;
    this.#options = {
      authority: "mailbox",
      streamWindow: USUAL_WINDOW,
      sessionWindow: USUAL_WINDOW,
      frameBytes: USUAL_FRAME_BYTES,
      ...options,
    };
    const { side, streamWindow, sessionWindow, frameBytes } = this.#options;
    this.#prefaced = side === "server" ? 0 : PREFACE.length;
    this.#nextId = side === "server" ? 2 : 1;
    this.#receiveWindow = Math.max(USUAL_WINDOW, sessionWindow);
    this.#parser = new FrameParser({
      begin: (head) => this.#begin(head),
      data: (head, part) => this.#data(head, part),
      end: (head, payload) => this.#end(head, payload),
    }, () => this.#options.frameBytes);
    this.#owner = {
      respond: (stream, fields) => this.#fields(stream, fields, false),
      ready: (stream) => this.#flush(stream),
      consumed: (stream, bytes) => this.#consumed(stream, bytes),
      over: (stream, code) => this.#over(stream, code),
    };
    if (side === "client") socket.write(PREFACE);
    const setting = (id: number, value: number) => [id >> 8, id & 255, ...words(value)];
    const payload = Uint8Array.from([
      ...(side === "client" ? setting(SETTING.push, 0) : setting(SETTING.streams, MOST_STREAMS)),
      ...setting(SETTING.window, streamWindow),
      ...setting(SETTING.frameBytes, frameBytes),
    ]);
    socket.write(frame(FRAME.settings, { payload }));
    const more = this.#receiveWindow - USUAL_WINDOW;
    if (more > 0) socket.write(frame(FRAME.window, { payload: words(more) }));
    socket.on("data", (chunk: Uint8Array) => this.#push(chunk));
    socket.on("drain", () => this.#flushAll());
    socket.on("error", (error) => this.#fail(error));
    socket.on("end", () => socket.destroy());
    socket.on("close", () => this.#close());
    const connected = "encrypted" in socket ? "secureConnect" : "connect";
    if (side === "client") socket.once(connected, () => this.emit("connect"));
  }

  /** Whether the connection has ended. */
  get destroyed(): boolean {
    return this.#closed || this.socket.destroyed;
  }

  /** Whether no request can be made any more. */
  get closed(): boolean {
    return this.destroyed || this.#goneAway;
  }

  /** Ends the session and its streams by its socket, at once. */
  destroy(): void {
    this.socket.destroy();
  }

  /**
   * Begins a request; `endStream`: it has no body. Without a connection the stream ends at once.
   * @default endStream true
   */
  request(fields: HeaderFields, { endStream = true }: { endStream?: boolean } = {}): Http2Stream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = this.#open(id);
    if (this.closed) {
      queueMicrotask(() => stream.destroy());
      return stream;
    }
    const { authority } = this.#options;
    const scheme = "encrypted" in this.socket ? "https" : "http";
    stream.localEnd = endStream;
    this.#fields(stream, { ":scheme": scheme, ":authority": authority, ...fields }, endStream);
    if (endStream) stream.end();
    return stream;
  }

  /** Asks for a sign of life. `ponged` is called with it, or with an error when the session ends. */
  ping(ponged: Ponged): void {
    if (this.destroyed) return void queueMicrotask(() => ponged(new Error("the session is over")));
    const id = ++this.#pings;
    this.#ponged.set(id, ponged);
    this.socket.write(frame(FRAME.ping, { payload: words(0, id) }));
  }

  #open(id: number): Http2Stream {
    const windows = { send: this.#streamSendWindow, receive: this.#options.streamWindow };
    const stream = new Http2Stream(id, this.#owner, windows);
    this.#streams.set(id, stream);
    return stream;
  }

  #fields({ id: stream }: Http2Stream, fields: HeaderFields, end: boolean): void {
    const block = writeFields(fields);
    const flags = FLAG.endHeaders | (end ? FLAG.endStream : 0);
    this.socket.write(frame(FRAME.headers, { flags, stream, payload: block }));
  }

  #push(chunk: Uint8Array): void {
    if (this.#closed || this.socket.destroyed) return;
    try {
      let at = 0;
      for (; this.#prefaced < PREFACE.length && at < chunk.length; at++) {
        if (chunk[at] !== PREFACE[this.#prefaced++]) {
          throw new Http2ProtocolError("the other side does not speak HTTP/2");
        }
      }
      this.#parser.push(at === 0 ? chunk : chunk.subarray(at));
    } catch (error) {
      // A bug here must not end the process either: the connection ends.
      this.#fail(error as Error);
      this.socket.destroy();
    }
  }

  #begin({ type, stream, length }: FrameHead): void {
    if (!this.#settingsCame && type !== FRAME.settings) {
      throw new Http2ProtocolError("the first frame is no SETTINGS");
    }
    const { arriving } = this.#blocks;
    const continues = type === FRAME.continuation && stream === arriving;
    if (arriving !== undefined && !continues) {
      throw new Http2ProtocolError("another frame amid a header block");
    }
    if (type !== FRAME.data) return;
    if (stream === 0) throw new Http2ProtocolError("DATA of no stream");
    if (!this.#streams.has(stream) && this.#isIdle(stream)) {
      throw new Http2ProtocolError(`DATA of stream ${stream}, which nobody has begun`);
    }
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw new Http2ProtocolError("more bytes than the session may");
    const open = this.#streams.get(stream);
    if (!open) return;
    open.receiveWindow -= length;
    if (open.receiveWindow < 0) throw new Http2ProtocolError("more bytes than the stream may");
  }

  #data(head: FrameHead, part: Uint8Array): void {
    const bytes = this.#padding.strip(head, part);
    this.#giveBack(part.length);
    const stream = this.#streams.get(head.stream);
    if (!stream || stream.remoteEnd || stream.destroyed) return;
    const padded = part.length - bytes.length;
    if (padded > 0) this.#consumed(stream, padded);
    if (bytes.length > 0) stream.received(bytes);
  }

  /** The session's room is given back as bytes come: each stream's own bounds what is kept. */
  #giveBack(bytes: number): void {
    this.#owed += bytes;
    const whole = Math.max(USUAL_WINDOW, this.#options.sessionWindow);
    if (this.#owed < whole * GIVE_SHARE || this.socket.destroyed) return;
    this.#receiveWindow += this.#owed;
    this.socket.write(frame(FRAME.window, { payload: words(this.#owed) }));
    this.#owed = 0;
  }

  /** The reader of a stream has taken bytes: their room is given back, a share of it at a time. */
  #consumed(stream: Http2Stream, bytes: number): void {
    stream.owed += bytes;
    const over = stream.destroyed || stream.remoteEnd || this.socket.destroyed;
    if (over || stream.owed < this.#options.streamWindow * GIVE_SHARE) return;
    const { id, owed } = stream;
    stream.owed = 0;
    stream.receiveWindow += owed;
    this.socket.write(frame(FRAME.window, { stream: id, payload: words(owed) }));
  }

  #end(head: FrameHead, payload: Uint8Array): void {
    const { type, flags, stream: id } = head;
    switch (type) {
      case FRAME.data:
        this.#padding.end();
        if (flags & FLAG.endStream) this.#streams.get(id)?.receivedEnd();
        return;
      case FRAME.headers:
      case FRAME.continuation: {
        const read = type === FRAME.headers
          ? this.#blocks.begin(head, payload)
          : this.#blocks.add(flags, payload);
        return read && this.#message(read);
      }
      case FRAME.settings:
        return this.#settings(head, payload);
      case FRAME.ping:
        if (payload.length !== 8) throw new Http2ProtocolError("a PING has eight bytes");
        if (flags & FLAG.ack) return this.#pong(payload);
        return this.#control(frame(FRAME.ping, { flags: FLAG.ack, payload }));
      case FRAME.window:
        return this.#window(id, payload);
      case FRAME.reset:
        if (payload.length !== 4) throw new Http2ProtocolError("a RST_STREAM has four bytes");
        if (id === 0 || this.#isIdle(id)) throw new Http2ProtocolError("RST_STREAM of no stream");
        return this.#streams.get(id)?.receivedReset(wordOf(payload));
      case FRAME.goaway:
        if (payload.length < 8) throw new Http2ProtocolError("a GOAWAY has eight bytes");
        return this.#goAway(wordOf(payload) & MOST_WINDOW);
      case FRAME.push:
        throw new Http2ProtocolError("PUSH_PROMISE is not allowed here");
      default: // PRIORITY, and types that are not known, say nothing
    }
  }

  /** A request, an answer, or what comes behind a body. */
  #message({ stream: id, fields, ends }: ReadFields): void {
    const known = this.#streams.get(id);
    const own = id % 2 === this.#nextId % 2;
    if (!known && !own && id > this.#lastId) {
      if (this.#options.side === "client") throw new Http2ProtocolError("a request of a server");
      this.#lastId = id;
      return this.#request(id, fields, ends);
    }
    if (!known) {
      if (this.#isIdle(id)) throw new Http2ProtocolError(`HEADERS of stream ${id}: nobody asked`);
      return; // it is over here; the other side did not know
    }
    if (own && ":status" in fields && !known.destroyed) {
      if (!fields[":status"].startsWith("1")) known.emit("response", fields);
    }
    if (ends) known.receivedEnd();
  }

  #request(id: number, fields: HeaderFields, ends: boolean): void {
    if (this.#streams.size >= MOST_STREAMS) {
      const payload = words(CODE.refused);
      return this.#control(frame(FRAME.reset, { stream: id, payload }));
    }
    const stream = this.#open(id);
    if (ends) stream.receivedEnd();
    this.emit("stream", stream, fields);
  }

  #settings({ flags, stream, length }: FrameHead, payload: Uint8Array): void {
    if (stream !== 0 || length % 6 !== 0) throw new Http2ProtocolError("SETTINGS of a wrong form");
    this.#settingsCame = true;
    if (flags & FLAG.ack) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    for (let at = 0; at < length; at += 6) {
      const value = view.getUint32(at + 2);
      switch (view.getUint16(at)) {
        case SETTING.window: {
          if (value > MOST_WINDOW) throw new Http2ProtocolError("a window of more than 2^31 bytes");
          const more = value - this.#streamSendWindow;
          this.#streamSendWindow = value;
          for (const open of this.#streams.values()) open.sendWindow += more;
          break;
        }
        case SETTING.frameBytes:
          if (value < USUAL_FRAME_BYTES || value > 0xffffff) {
            throw new Http2ProtocolError(`frames of ${value} bytes`);
          }
          this.#frameBytes = value;
      }
    }
    this.#control(frame(FRAME.settings, { flags: FLAG.ack }));
    this.#flushAll();
  }

  #pong(payload: Uint8Array): void {
    const id = wordOf(payload.subarray(4));
    this.#ponged.get(id)?.(null);
    this.#ponged.delete(id);
  }

  #window(id: number, payload: Uint8Array): void {
    if (payload.length !== 4) throw new Http2ProtocolError("a WINDOW_UPDATE has four bytes");
    const more = wordOf(payload) & MOST_WINDOW;
    if (more === 0) throw new Http2ProtocolError("a WINDOW_UPDATE of nothing");
    if (id === 0) {
      this.#sendWindow += more;
      if (this.#sendWindow > MOST_WINDOW) throw new Http2ProtocolError("a window of 2^31 bytes");
      return this.#flushAll();
    }
    if (this.#isIdle(id)) throw new Http2ProtocolError("WINDOW_UPDATE of no stream");
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.sendWindow += more;
    if (stream.sendWindow > MOST_WINDOW) throw new Http2ProtocolError("a window of 2^31 bytes");
    this.#flush(stream);
  }

  #goAway(last: number): void {
    this.#goneAway = true;
    for (const stream of [...this.#streams.values()]) {
      const own = stream.id % 2 === this.#nextId % 2;
      if (own && stream.id > last) {
        stream.localEnd = stream.remoteEnd = true;
        stream.destroy(new Error("the other side takes no more requests"));
      }
    }
    if (this.#streams.size === 0) this.socket.destroy();
  }

  /** Whether nobody has begun this stream. */
  #isIdle(id: number): boolean {
    return id % 2 === this.#nextId % 2 ? id >= this.#nextId : id > this.#lastId;
  }

  /** Sends an answer to a frame; whoever asks for many and reads none is cut off. */
  #control(bytes: Uint8Array): void {
    if (this.socket.destroyed) return;
    this.socket.write(bytes);
    if (this.socket.writableLength <= MOST_CONTROL_BYTES + this.#sendable) return;
    throw new Http2ProtocolError("the other side reads nothing of what it asks for");
  }

  /** Bytes of bodies that may wait in the socket: one frame of each stream. */
  get #sendable(): number {
    return this.#frameBytes * Math.max(1, this.#streams.size);
  }

  /** Sends what a stream has, as far as there is room. */
  #flush(stream: Http2Stream): void {
    const { socket } = this;
    for (let next = stream.pending; next; next = stream.pending) {
      if (socket.destroyed || stream.localEnd) {
        // Nobody can take it any more: what is written goes nowhere.
        stream.sent(next.bytes?.length ?? 0);
        continue;
      }
      const { bytes } = next;
      if (!bytes || bytes.length === 0) {
        if (!bytes) {
          stream.localEnd = true;
          socket.write(frame(FRAME.data, { flags: FLAG.endStream, stream: stream.id }));
        }
        stream.sent(0);
        continue;
      }
      const room = Math.min(this.#sendWindow, stream.sendWindow, this.#frameBytes);
      if (room <= 0 || socket.writableNeedDrain) return void this.#blocked.add(stream);
      const part = bytes.length <= room ? bytes : bytes.subarray(0, room);
      this.#sendWindow -= part.length;
      stream.sendWindow -= part.length;
      socket.cork();
      socket.write(headOf({ length: part.length, type: FRAME.data, flags: 0, stream: stream.id }));
      socket.write(part);
      socket.uncork();
      stream.sent(part.length);
    }
    this.#blocked.delete(stream);
  }

  #flushAll(): void {
    for (const stream of [...this.#blocked]) this.#flush(stream);
  }

  /** A stream is over. */
  #over(stream: Http2Stream, code: number): void {
    this.#streams.delete(stream.id);
    this.#blocked.delete(stream);
    if (this.socket.destroyed || this.#closed) return;
    if (!(stream.localEnd && stream.remoteEnd) && !this.#isIdle(stream.id)) {
      stream.localEnd = true;
      this.socket.write(frame(FRAME.reset, { stream: stream.id, payload: words(code) }));
    }
    if (this.#goneAway && this.#streams.size === 0) this.socket.destroy();
  }

  #fail(error: Error): void {
    if (this.#closed) return;
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of [...this.#streams.values()]) stream.destroy();
    for (const ponged of this.#ponged.values()) ponged(new Error("the session is over"));
    this.#ponged.clear();
    this.emit("close");
  }
}

const wordOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
