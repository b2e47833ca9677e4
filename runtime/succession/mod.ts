/**
 * Who is the first node of a cluster when the first node is gone for good.
 *
 * A member that a person promotes makes an authority of its own, and asks the others for their
 * votes. They vote once they have not heard the first node for a while, for one node in each epoch
 * of the cluster. More than half of the votes make a succession record (`record.ts`): with it the
 * candidate is the first node, the other members get certificates of it by the identities that they
 * have, and the old first node, should it come back, becomes a member.
 *
 * This is for the registry that is embedded in the first node. Other registries elect by themselves.
 *
 * @module
 */
export {
  type Ballot,
  checkBallot,
  checkVote,
  derOf,
  type KnownCluster,
  makeRecord,
  type NextFirstNode,
  recordSchema,
  type Signer,
  signVote,
  type Succession,
  type SuccessionRecord,
  verifyRecord,
  type Vote,
  voteText,
} from "./record.ts";
export { type PastVote, PastVotes } from "./past_votes.ts";
export { type CandidacyNode, type TrustState } from "./candidacy.ts";
export { NodeSuccession, type SuccessionOptions } from "./node_succession.ts";
export { type NodePlace, Places } from "./places.ts";
export { type RoleOptions, type StartRole, startRole } from "./start_role.ts";
export { stepDown } from "./install.ts";
