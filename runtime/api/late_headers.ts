/**
 * Finds requests whose headers take too long.
 *
 * `node:http` counts the time of the first request's headers from the connection's begin on, and
 * answers with 408. Clients open connections in advance (browsers, `fetch` of Deno and Rust), and
 * such a one may be used just as that answer arrives: the client then reads it as the answer to a
 * good request. So here the time counts from the first byte of a request on.
 *
 * @module
 */
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";

/** What is known of a connection. */
interface ClientConnection {
  /** Whether a request is being read or answered. */
  busy: boolean;
  /** Bytes that had arrived when the last request was read to its end. */
  read: number;
  /** When bytes of a further request were seen first, in milliseconds; undefined: there are none. */
  since?: number;
}

/** Options of {@linkcode watchHeaders}. */
export interface HeaderWatch {
  /** Milliseconds that the headers of a request may take. */
  headersMs: number;
  /** Milliseconds from one look to the next. */
  lookMs: number;
  /** Is called once for a connection whose headers are late. */
  late: (socket: Socket) => void;
}

/** Watches the connections of a server until it closes. */
export function watchHeaders(server: Server, { headersMs, lookMs, late }: HeaderWatch): void {
  const connections = new Map<Socket, ClientConnection>();
  server.on("connection", (socket: Socket) => {
    connections.set(socket, { busy: false, read: 0 });
    socket.once("close", () => connections.delete(socket));
  });
  server.on("request", (incoming: IncomingMessage) => {
    const { socket } = incoming;
    const connection = connections.get(socket);
    if (!connection) return;
    connection.busy = true;
    connection.since = undefined;
    incoming.once("close", () => {
      connection.busy = false;
      connection.read = socket.bytesRead;
    });
  });
  const look = setInterval(() => {
    const now = performance.now();
    for (const [socket, connection] of connections) {
      if (connection.busy || socket.bytesRead <= connection.read) continue;
      connection.since ??= now;
      if (now - connection.since < headersMs) continue;
      connections.delete(socket);
      late(socket);
    }
  }, lookMs);
  server.once("close", () => clearInterval(look));
}
