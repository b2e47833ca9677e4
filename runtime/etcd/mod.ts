/**
 * etcd members that Orrery runs itself (`--registry managed`): the process of this node's member,
 * and which nodes run one.
 *
 * One member is a child process of its node (`etcd_process.ts`), with its files below
 * `--data/registry/etcd` (`local_member.ts`). The coordinator's node decides who becomes a member
 * and who is one no longer (`next_change.ts`, `members.ts`); the others ask it regularly. How data
 * is read and written there is the business of `runtime/registry/`.
 *
 * @module
 */
export { etcdVersion } from "./etcd_program.ts";
export {
  type AuthorityKey,
  type CoordinateOptions,
  ManagedRegistry,
  type ManagedRegistryOptions,
  type OfferOptions,
} from "./managed_registry.ts";
export { type ListedMember, MemberList } from "./member_list.ts";
export { takeOverState } from "./take_over.ts";
export { openManagedBeside } from "./server_files.ts";
export { LocalMember, type LocalMemberOptions, memberName } from "./local_member.ts";
export { EtcdMembers, type EtcdMembersOptions } from "./members.ts";
