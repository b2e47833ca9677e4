/**
 * Ports for a program that cannot choose one by itself.
 *
 * @module
 */

/** Two ports on `host` that nobody listens on: the wanted ones if they are free. */
export function choosePorts(
  host: string,
  wanted: { peers: number; clients: number } = { peers: 0, clients: 0 },
): { peers: number; clients: number } {
  const peers = hold(host, wanted.peers) ?? hold(host, 0)!;
  const clients = hold(host, wanted.clients) ?? hold(host, 0)!;
  const ports = { peers: peers.addr.port, clients: clients.addr.port };
  peers.close();
  clients.close();
  return ports;
}

/** Listens on a port; undefined: it cannot be had. */
function hold(hostname: string, port: number) {
  try {
    return Deno.listen({ hostname, port });
  } catch (error) {
    if (port === 0) throw error;
    return undefined;
  }
}
