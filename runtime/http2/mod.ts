/**
 * HTTP/2 (RFC 9113) over a socket, as much of it as mailboxes need: requests with a body in both
 * directions, flow control, pings. It replaces `node:http2`, whose native part can end the process
 * when a connection ends (docs/decisions.md).
 *
 * It never sends GOAWAY: a session ends by its socket. It has no server push and no priorities.
 *
 * @module
 */
export type { HeaderFields } from "./hpack.ts";
export { Http2Session, type Http2SessionOptions } from "./session.ts";
export { Http2Stream } from "./stream.ts";
