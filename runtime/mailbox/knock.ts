/**
 * Finds out whether anybody listens at an address.
 *
 * @module
 */
import net from "node:net";

/**
 * Opens a TCP connection and ends it. Resolves to true if the machine refuses it, so nobody listens
 * at the port; to false if it is taken, fails in another way or does not come about in time.
 */
export function isRefused(host: string, port: number, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const done = (refused: boolean) => {
      clearTimeout(timer);
      resolve(refused);
      socket.destroy();
    };
    const timer = setTimeout(() => done(false), deadlineMs);
    socket.on("connect", () => done(false));
    socket.on("error", (error) => done((error as { code?: string }).code === "ECONNREFUSED"));
  });
}
