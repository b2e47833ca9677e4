/**
 * The registry embedded in one actor system, used from others.
 *
 * @module
 */
import {
  type ActorSystem,
  anyNode,
  createSystem,
  directoryOf,
  type Envelope,
  LocalNetwork,
  type NodeId,
  REGISTRY,
  type Registry,
  registryActor,
  RemoteRegistry,
  systemClock,
  type Transport,
} from "../../actors/mod.ts";
import { createMailbox, type MailboxTransport } from "../../runtime/mailbox/mod.ts";
import { kvWorld, Losses } from "./registry_kv_world.ts";
import type { RegistryWorld } from "./registry_world.ts";

/** Sends on, except some answers to transactions. */
function lossyTransport(transport: Transport, losses: Losses): Transport {
  const transactions = new Set<string>();
  const name = (peer: NodeId, id: number) => `${peer}#${id}`;
  return {
    node: transport.node,
    start: (handlers) =>
      transport.start({
        ...handlers,
        peerLost: (...args) => handlers.peerLost(...args),
        receive(from, envelope) {
          if (envelope.kind === "ask" && envelope.type === "transact") {
            transactions.add(name(from, envelope.id));
          }
          handlers.receive(from, envelope);
        },
      }),
    send(peer: NodeId, envelope: Envelope, signal) {
      const answers = envelope.kind === "reply" && transactions.delete(name(peer, envelope.id));
      if (answers && losses.take()) return Promise.resolve();
      return transport.send(peer, envelope, signal);
    },
    close: (options) => transport.close(options),
  };
}

/** Transports of nodes that know each other. */
interface Links {
  connect(node: NodeId): Promise<Transport>;
  crash(node: NodeId): Promise<void>;
}

/** In process. */
export function localLinks(): Links {
  const network = new LocalNetwork();
  return {
    connect: (node) => Promise.resolve(network.connect(node)),
    crash: (node) => Promise.resolve(network.crash(node)),
  };
}

/** HTTP/2 on loopback: what is sent is encoded. */
export function mailboxLinks(): Links {
  const mailboxes = new Map<NodeId, MailboxTransport>();
  return {
    async connect(node) {
      const mailbox = await createMailbox({ node });
      for (const [peer, other] of mailboxes) {
        mailbox.addPeer(peer, "127.0.0.1", other.port);
        other.addPeer(node, "127.0.0.1", mailbox.port);
      }
      mailboxes.set(node, mailbox);
      return mailbox;
    },
    async crash(node) {
      await mailboxes.get(node)!.close({ deadlineMs: 0 });
      mailboxes.delete(node);
    },
  };
}

/** A world whose clients are other nodes than that with the registry. */
export async function actorWorld(links: Links): Promise<RegistryWorld> {
  const kv = await kvWorld({ alone: true });
  const losses = new Losses();
  const directory = directoryOf(() => "first");
  const others: ActorSystem[] = [];
  const open: Registry[] = [];
  const start = async () => {
    const registry = await kv.client();
    const transport = lossyTransport(await links.connect("first"), losses);
    // The suite's clients are no members: they use any key and each other's leases.
    const open = { ...registryActor, callers: anyNode };
    const config = { ownLeases: false };
    return createSystem([{ actor: open, config, resources: () => ({ registry }) }], {
      transport,
      directory,
    });
  };
  let first = await start();
  return {
    shortestLeaseMs: kv.shortestLeaseMs,
    clientsSurvive: true,
    async client() {
      const transport = await links.connect(`other-${others.length}`);
      const system = createSystem([registryActor], { transport, directory });
      others.push(system);
      const registry = new RemoteRegistry({
        actor: system.at(registryActor, REGISTRY),
        clock: systemClock,
        tryMs: 500,
      });
      open.push(registry);
      return registry;
    },
    pass: (ms) => kv.pass(ms),
    loseReplies: (count) => losses.due = count,
    get lost() {
      return losses.lost;
    },
    async restart() {
      await links.crash("first");
      await first.close({ deadlineMs: 0 });
      await kv.restart();
      first = await start();
    },
    async [Symbol.asyncDispose]() {
      for (const registry of open) await registry.close();
      for (const system of others) await system.close({ deadlineMs: 100 });
      await first.close({ deadlineMs: 100 });
      await kv[Symbol.asyncDispose]();
    },
  };
}
