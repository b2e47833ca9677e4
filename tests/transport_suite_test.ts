import { LocalNetwork } from "../actors/system/local_transport.ts";
import type { NodeId } from "../actors/mod.ts";
import { createMailbox, type MailboxTransport } from "../runtime/mailbox/mod.ts";
import { type Network, type NetworkOptions, transportSuite } from "./support/transport_suite.ts";
import { FaultyProxy } from "./support/transport_suite_proxy.ts";

/** In process: a connection cannot break, only be interrupted. */
function localNetwork(options: NetworkOptions): Promise<Network> {
  const network = new LocalNetwork({ windowMessages: options.windowMessages });
  const ids = new Set<NodeId>();
  const each = (node: NodeId, fn: (a: NodeId, b: NodeId) => void) => {
    for (const id of ids) if (id !== node) fn(id, node);
  };
  return Promise.resolve({
    connect(node) {
      ids.add(node);
      return Promise.resolve(network.connect(node));
    },
    join() {},
    async flap() {
      for (const id of ids) each(id, (a, b) => network.cut(a, b));
      await new Promise((resolve) => setTimeout(resolve, 2));
      for (const id of ids) each(id, (a, b) => network.heal(a, b));
    },
    stall: (node) => each(node, (a, b) => network.cut(a, b)),
    resume: (node) => each(node, (a, b) => network.heal(a, b)),
    crash: (node) => Promise.resolve(network.crash(node)),
    close: () => Promise.resolve(),
  });
}

/** HTTP/2: all that goes to a node goes through its proxy. */
function http2Network(options: NetworkOptions): Promise<Network> {
  const mailboxes = new Map<NodeId, MailboxTransport>();
  const ports = new Map<NodeId, number>();
  const proxies = new Map<NodeId, FaultyProxy>();
  return Promise.resolve({
    async connect(node) {
      let proxy = proxies.get(node);
      if (!proxy) proxies.set(node, proxy = await FaultyProxy.open(() => ports.get(node)!));
      const mailbox = await createMailbox({
        node,
        advertisePort: proxy.port,
        limits: {
          windowMessages: options.windowMessages ?? 1024,
          peerTimeoutMs: options.peerTimeoutMs ?? 10_000,
          backoffMaxMs: 200,
        },
      });
      ports.set(node, mailbox.port);
      mailboxes.set(node, mailbox);
      return mailbox;
    },
    join() {
      for (const [id, mailbox] of mailboxes) {
        for (const [peer, proxy] of proxies) {
          if (peer !== id) mailbox.addPeer(peer, "127.0.0.1", proxy.port);
        }
      }
    },
    flap() {
      for (const proxy of proxies.values()) proxy.cut();
      return Promise.resolve();
    },
    stall: (node) => proxies.get(node)!.stall(),
    resume: (node) => proxies.get(node)!.resume(),
    async crash(node) {
      await mailboxes.get(node)!.close({ deadlineMs: 0 });
      mailboxes.delete(node);
    },
    async close() {
      await Promise.all([...mailboxes.values()].map((mailbox) => mailbox.close({ deadlineMs: 0 })));
      await Promise.all([...proxies.values()].map((proxy) => proxy.close()));
    },
  });
}

for (const count of [2, 4]) {
  transportSuite("in process", localNetwork, count);
  transportSuite("HTTP/2", http2Network, count);
}
