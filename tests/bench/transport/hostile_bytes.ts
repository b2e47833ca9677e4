/**
 * Bytes of HTTP/2 from somebody who breaks it: frames that are correct one by one, in orders and at
 * moments that no client would choose.
 *
 * @module
 */

/** The first bytes of every client. */
export const PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Types of frames, RFC 9113 section 6. */
const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE] = [0, 1, 3, 4, 6, 7, 8];

/** A frame. */
export function frameOf(
  type: number,
  { flags = 0, stream = 0, payload = new Uint8Array(0) }: {
    flags?: number;
    stream?: number;
    payload?: Uint8Array;
  } = {},
): Uint8Array {
  const frame = new Uint8Array(9 + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, payload.length << 8 | type);
  frame[4] = flags;
  view.setUint32(5, stream);
  frame.set(payload, 9);
  return frame;
}

const words = (...values: number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return new Uint8Array(view.buffer);
};

/** Settings of a client or a server that changes nothing. */
export const SETTINGS_FRAME: Uint8Array = frameOf(SETTINGS);

/** A literal header of HPACK that is not indexed, without Huffman's code. */
function header(name: string, value: string): number[] {
  const text = (s: string) => [s.length, ...new TextEncoder().encode(s)];
  return [0, ...text(name), ...text(value)];
}

/** The headers of a request. */
export function requestFrame(stream: number, path: string, end = false): Uint8Array {
  const payload = Uint8Array.from([
    ...header(":method", "POST"),
    ...header(":scheme", "http"),
    ...header(":authority", "x"),
    ...header(":path", path),
  ]);
  return frameOf(HEADERS, { flags: 4 | (end ? 1 : 0), stream, payload });
}

/** The headers of an answer with status 200. */
export const responseFrame = (stream: number): Uint8Array =>
  frameOf(HEADERS, { flags: 4, stream, payload: Uint8Array.of(0x88) });

/** A frame that comes when nobody expects it; `random`: 0 to 1. */
export function surprise(random: () => number): Uint8Array {
  const stream = 1 + 2 * Math.floor(random() * 4);
  const kinds = [
    () => frameOf(GOAWAY, { payload: words(random() < 0.5 ? 0 : stream, 0) }),
    () => frameOf(GOAWAY, { payload: words(0x7fffffff, 2) }),
    () => frameOf(RST_STREAM, { stream, payload: words(8) }),
    () => frameOf(DATA, { stream, payload: new Uint8Array(Math.floor(random() * 2_000)) }),
    () => frameOf(DATA, { stream, flags: 1 }),
    () => frameOf(WINDOW_UPDATE, { stream: random() < 0.5 ? 0 : stream, payload: words(1_000) }),
    () => frameOf(WINDOW_UPDATE, { stream, payload: words(0x7fffffff) }),
    () => frameOf(PING, { payload: new Uint8Array(8) }),
    () => frameOf(SETTINGS, { flags: 1 }),
    () => frameOf(SETTINGS, { payload: Uint8Array.of(0, 4, 0, 0, 0, 0) }),
    () => frameOf(HEADERS, { flags: 4, stream, payload: Uint8Array.of(0xff, 0xff, 0xff) }),
    () => responseFrame(stream),
    () => requestFrame(stream, "/mailbox/v1/node", true),
    () => frameOf(Math.floor(random() * 12), { stream, payload: new Uint8Array(7) }),
  ];
  return kinds[Math.floor(random() * kinds.length)]();
}
