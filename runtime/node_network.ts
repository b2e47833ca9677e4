/**
 * How a node reaches others: its directory, its mailbox and its actor system.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import {
  ActorSystem,
  COORDINATOR_KEY,
  customAddress,
  Fence,
  parseAddress,
  systemClock,
} from "../actors/mod.ts";
import {
  ClusterDirectory,
  isCoordinators,
  isHosted,
  listen,
  type Membership,
} from "./cluster/mod.ts";
import { deadLetterLog } from "./dead_letter_log.ts";
import { LEFT, type MailboxTransport } from "./mailbox/mod.ts";
import type { NodeJournal } from "./node_journal.ts";
import type { NodeOptions } from "./node_options.ts";
import type { NodeOrigin } from "./node_origin.ts";
import { NodeTelemetry } from "./node_telemetry.ts";
import type { Promotion } from "./promotion.ts";
import type { Gateway } from "./serve/mod.ts";

const log = getLogger(["orrery", "node"]);

/** Milliseconds that the actors have to end when the node closes. */
const SYSTEM_CLOSE_MS = 5_000;

/**
 * Parts of the node that are called back from here. They are made later, as they need the actor
 * system; each is set as soon as it is there.
 */
export interface LaterParts {
  gateway?: Gateway;
  membership?: Membership;
  promotion?: Promotion;
  journal?: NodeJournal;
  /** How many leases this node has taken; undefined: none yet. */
  leases?: () => number;
}

/** See the module's text. */
export interface NodeNetwork {
  directory: ClusterDirectory;
  mailbox: MailboxTransport;
  /** What this node may do as the coordinator, for as long as that is certain. */
  fence: Fence;
  system: ActorSystem;
  later: LaterParts;
  telemetry: NodeTelemetry;
}

/** Listens, and makes the actor system. Throws group `mailbox` (`port_in_use`, `cannot_listen`). */
export async function openNetwork(
  options: NodeOptions,
  { id, trust, own }: NodeOrigin,
  undo: AsyncDisposableStack,
): Promise<NodeNetwork> {
  const directory = new ClusterDirectory(id);
  const epochOf = (to: string) => directory.epochOf(to);
  const mailbox = await listen({
    ...{ ...options, node: id, tls: trust, epochOf },
    advertise: own.host,
  });
  undo.defer(() => mailbox.close());
  await trust.listening(mailbox.address);
  const fence = new Fence({
    ownershipName(to) {
      const parts = parseAddress(to);
      // All actors of one name in a graph move together.
      return isCoordinators(parts)
        ? COORDINATOR_KEY
        : isHosted(parts)
        ? customAddress(parts.kind)
        : undefined;
    },
    onLapse: ({ name, epoch }) =>
      log.warn(
        "this node's lease may have lapsed: it refuses what its ownership of {name}, epoch {epoch}, was for",
        { name, epoch },
      ),
  });
  const later: LaterParts = {};
  const telemetry = await NodeTelemetry.open({ node: id, traces: options.traces }, undo);
  const system = new ActorSystem({
    ...{ transport: mailbox, directory, fence, clock: systemClock, random: Math.random },
    leaseEpoch: () => later.leases?.() ?? 1,
    onDeadLetter: deadLetterLog(),
    telemetry,
    onCrash(actor, error) {
      telemetry.crashed(actor);
      log.error("{actor} crashed: {message}", { actor, message: error.message, error });
    },
    onPeerLost(peer, reason) {
      log.info("the link to node {peer} is lost: {reason}", { peer, reason });
      later.gateway?.nodeLost(peer);
      later.journal?.unreachable(peer);
      later.membership?.peerLost(peer, reason);
      if (reason === LEFT) void trust.left(peer).catch(() => {}); // it counts for a day longer then
    },
  });
  undo.defer(() => system.close({ deadlineMs: SYSTEM_CLOSE_MS }));
  return { directory, mailbox, fence, system, later, telemetry };
}
