/**
 * The sending half of a link: one HTTP/2 session with one long-lived stream to a peer. Both are
 * opened again whenever they break.
 *
 * @module
 */
import { OrreryError } from "../../actors/system/mod.ts";
import { decodeCbor } from "./cbor.ts";
import type { HeaderFields, Http2Session, Http2Stream } from "../http2/mod.ts";
import { connect, cut } from "./connect.ts";
import { mailboxError } from "./errors.ts";
import { FrameReader } from "./frame_reader.ts";
import { keepalive } from "./keepalive.ts";
import type { MailboxLimits } from "./limits.ts";
import type { MailboxTls } from "./tls.ts";
import {
  type Bye,
  CONTROL_BYTES,
  controlFrame,
  errorFrameSchema,
  type Hello,
  MAILBOX_PATH,
  type Welcome,
  welcomeSchema,
} from "./wire.ts";
import type { ResendWindow } from "./window.ts";

/** What a {@linkcode Dialer} needs from the peer object that owns it. */
export interface DialerOwner {
  limits: MailboxLimits;
  /** Undefined: the link is cleartext. */
  tls?: MailboxTls;
  /** The envelopes to send. */
  window: ResendWindow;
  /** Where to connect; undefined while that is not known. */
  address(): { host: string; port: number } | undefined;
  /** The hello to send on a new connection. */
  hello(): Hello;
  /** Called with the peer's answer to the hello. Returns false to give the connection up. */
  welcome(welcome: Welcome): boolean;
  /** Called when the stream is established. */
  up(): void;
  /** Called when a connection failed or broke. */
  down(error: OrreryError): void;
  /** Called when bytes came from the peer. */
  heard(): void;
  /** Called with each measured round trip, milliseconds. */
  rtt(ms: number): void;
  /** Called with the number of bytes just written to the stream. */
  wrote(bytes: number): void;
}

/** Most bytes of frames that are copied together into one write. */
const GATHER_BYTES = 32768;

/** See the module's text. */
export class Dialer {
  readonly #owner: DialerOwner;
  /** The current connection and its stream; undefined between two attempts. */
  #session?: Http2Session;
  #stream?: Http2Stream;
  /** true between the peer's welcome and the end of the connection. */
  #up = false;
  #stopped = true;
  /** Attempts to connect since the last one that succeeded. */
  #attempt = 0;
  /** Starts the next attempt. */
  #timer?: ReturnType<typeof setTimeout>;
  /** Gives the connection up if no welcome comes in time. */
  #handshake?: ReturnType<typeof setTimeout>;
  #stopPings?: () => void;
  /** true while a microtask that writes is due. */
  #flushing = false;
  /** true while the stream's buffer is full: nothing is written before its `drain` event. */
  #choked = false;
  #ended: Promise<void> = Promise.resolve();
  /**
   * `performance.now()` when the peer last acknowledged something, or when nothing was left to
   * acknowledge.
   */
  #progressAt = 0;
  /** Gives the current connection up and starts the next attempt. */
  #lost?: (error: OrreryError) => void;

  constructor(owner: DialerOwner) {
    this.#owner = owner;
  }

  /** Is the stream established? */
  get up(): boolean {
    return this.#up;
  }

  /** Connects, and reconnects whenever the connection breaks, until {@linkcode Dialer.stop}. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#attempt = 0;
    this.#dial();
  }

  /** Ends the connection and does not reconnect. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#drop();
  }

  /** Ends the connection and opens a new one at once. */
  restart(): void {
    this.stop();
    this.start();
  }

  /** Resolves when the last connection is closed. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** Sends a bye and ends the stream; resolves when the stream is closed. */
  bye(bye: Bye): Promise<void> {
    const stream = this.#stream;
    if (!this.#up || !stream) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once("close", () => resolve());
      stream.end(controlFrame(bye));
    });
  }

  /**
   * Writes the entries that the window holds. In a microtask, so that messages sent in one turn of
   * the event loop are written together.
   */
  flush(): void {
    if (!this.#up || this.#flushing || this.#choked) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#write();
    });
  }

  /** Opens a connection and sends the hello. */
  #dial(): void {
    const { limits } = this.#owner;
    const address = this.#owner.address();
    if (this.#stopped || !address) return;
    const { host, port } = address;
    const { tls } = this.#owner;
    const hello = this.#owner.hello();
    const session = connect(host, port, tls && { tls, to: hello.to });
    this.#session = session;
    this.#ended = new Promise((resolve) => session.once("close", resolve));
    let reason: OrreryError | undefined;
    const lost = (error?: unknown) => {
      if (this.#session !== session) return;
      reason ??= asMailboxError(error ?? "closed by the other side", host, port);
      this.#drop();
      this.#owner.down(reason);
      this.#retry();
    };
    this.#lost = lost;
    session.on("error", lost);
    session.on("close", () => lost());
    this.#handshake = setTimeout(() => {
      const text = `no welcome from ${host}:${port} within ${limits.helloTimeoutMs} ms`;
      lost(mailboxError("peer_lost", text));
    }, limits.helloTimeoutMs);
    const stream = session.request({ ":method": "POST", ":path": MAILBOX_PATH }, {
      endStream: false,
    });
    this.#stream = stream;
    stream.on("response", (headers: HeaderFields) => {
      const status = headers[":status"];
      if (status === "200") return;
      const text = `${host}:${port} answered HTTP ${status}: not a mailbox of this version`;
      lost(mailboxError("protocol", text));
    });
    this.#listen(session, stream, lost);
    stream.write(controlFrame(hello));
  }

  /** Takes what comes on the stream of a connection, for as long as this is the one in use. */
  #listen(session: Http2Session, stream: Http2Stream, lost: (error?: unknown) => void): void {
    const reader = new FrameReader(CONTROL_BYTES, (frame) => this.#control(frame));
    stream.on("data", (chunk: Uint8Array) => {
      if (this.#session !== session) return;
      this.#owner.heard();
      try {
        reader.push(chunk);
      } catch (error) {
        lost(error);
      }
    });
    stream.on("drain", () => {
      if (this.#session !== session) return;
      this.#choked = false;
      this.flush();
    });
    stream.on("error", lost);
    stream.on("close", () => lost());
  }

  /** Handles a frame from the peer: an acknowledgement, an error or the welcome. */
  #control(frame: Uint8Array): void {
    const { window } = this.#owner;
    const value = decodeCbor(frame);
    if (typeof value === "number") {
      if (!this.#up || !window.plausible(value)) {
        throw mailboxError(
          "protocol",
          `acknowledgement of ${value}, sent were ${window.base} to ${window.lastSeq}`,
        );
      }
      this.#progressAt = performance.now();
      window.acknowledge(value);
      return;
    }
    const failed = errorFrameSchema.safeParse(value);
    if (failed.success) throw OrreryError.fromWire(failed.data.error);
    const welcome = welcomeSchema.safeParse(value);
    if (this.#up || !welcome.success) {
      throw mailboxError(
        "protocol",
        `unexpected control frame ${JSON.stringify(value).slice(0, 120)}`,
      );
    }
    const session = this.#session!;
    if (!this.#owner.welcome(welcome.data) || this.#session !== session) return;
    clearTimeout(this.#handshake);
    this.#up = true;
    this.#attempt = 0;
    this.#progressAt = performance.now();
    const { pingIntervalMs: intervalMs, pingTimeoutMs: timeoutMs } = this.#owner.limits;
    this.#stopPings = keepalive(session, {
      intervalMs,
      timeoutMs,
      onRtt: (ms) => this.#pinged(ms),
    });
    this.#owner.up();
    this.#write();
  }

  /**
   * Called when a ping was answered. That shows that the connection works, but not that the stream
   * does: a receiver that misread a frame's length would wait for ever. So the connection is given
   * up if messages have waited too long for an acknowledgement.
   */
  #pinged(ms: number): void {
    this.#owner.heard();
    this.#owner.rtt(ms);
    const { window, limits } = this.#owner;
    const now = performance.now();
    if (window.size === 0) this.#progressAt = now;
    if (now - this.#progressAt <= limits.ackTimeoutMs) return;
    this.#lost?.(
      mailboxError(
        "peer_lost",
        `${window.size} messages without an acknowledgement for ${limits.ackTimeoutMs} ms`,
      ),
    );
  }

  /** Writes entries until the stream's buffer is full; small ones go out in one write. */
  #write(): void {
    const stream = this.#stream;
    if (!stream) return;
    let gather: Uint8Array[] = [];
    let gathered = 0;
    const put = () => {
      if (gathered === 0) return;
      const whole = gather.length === 1 ? gather[0] : Buffer.concat(gather, gathered);
      gather = [];
      this.#owner.wrote(gathered);
      gathered = 0;
      if (!stream.write(whole)) this.#choked = true;
    };
    stream.cork();
    while (this.#up && !this.#choked) {
      const entry = this.#owner.window.next();
      if (!entry) break;
      if (gathered + entry.frame.byteLength > GATHER_BYTES) put();
      gather.push(entry.frame);
      gathered += entry.frame.byteLength;
    }
    put();
    stream.uncork();
  }

  /** Starts the next attempt after a pause that doubles with each failure, with random jitter. */
  #retry(): void {
    if (this.#stopped) return;
    const { backoffMinMs, backoffMaxMs } = this.#owner.limits;
    const pause = Math.min(backoffMaxMs, backoffMinMs * 2 ** this.#attempt++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dial(), pause * (0.5 + Math.random() / 2));
  }

  /** Forgets the current connection and ends it. */
  #drop(): void {
    clearTimeout(this.#handshake);
    this.#stopPings?.();
    this.#stopPings = undefined;
    this.#up = false;
    this.#choked = false;
    const session = this.#session;
    this.#session = undefined;
    this.#stream = undefined;
    if (session) cut(session);
  }
}

function asMailboxError(error: unknown, host: string, port: number): OrreryError {
  if (error instanceof OrreryError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return mailboxError("peer_lost", `connection to ${host}:${port} failed: ${message}`, {
    host,
    port,
  }, error);
}
