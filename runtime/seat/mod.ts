/**
 * Coordinating: which node does it, what it does for the length of its term, what it keeps in the
 * registry for the next one, and how every node is present there.
 *
 * @module
 */
export {
  deploymentsOf,
  type MainGraph,
  mainGraphOf,
  mainGraphSchema,
  memberKey,
  membersOf,
  readMainGraph,
  readMembers,
  readPast,
  TermWriter,
  type TermWriterOptions,
} from "./cluster_contents.ts";
export { Coordination, type CoordinationOptions } from "./coordination.ts";
export { identitiesOf } from "./identities_mirror.ts";
export { KnownNodes } from "./known_nodes.ts";
export { fillFromCopy, type PromotedFrom } from "./promoted_registry.ts";
export { Presence, type PresenceOptions } from "./presence.ts";
export {
  type CopiedRegistry,
  copyPath,
  readRegistryCopy,
  RegistryCopy,
  type RegistryCopyOptions,
} from "./registry_copy.ts";
export { Seat, type SeatOptions } from "./seat.ts";
export { notedRegistry, noteRegistry } from "./registry_note.ts";
export { RegistryServer, type ServerOptions, type ServerParts } from "./server.ts";
export { type GraphOptions, notedGraph, ownGraph, type ServedGraph } from "./served_graph.ts";
