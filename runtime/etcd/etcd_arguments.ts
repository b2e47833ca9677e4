/**
 * The command line of a member of etcd.
 *
 * @module
 */

/** Milliseconds between two heartbeats of the leader. */
const HEARTBEAT_MS = 100;
/**
 * Milliseconds without a heartbeat after which another member stands for election (up to twice as
 * long, at random). etcd wants five heartbeats at least. Leases can be as short as 1 second.
 */
const ELECTION_MS = 500;
/** Bytes that the database may have; all of Orrery's data are far fewer. */
const QUOTA_BYTES = 1_073_741_824;
/** Revisions of keys that are kept: a watch that was interrupted goes on from one of them. */
const KEPT_REVISIONS = 10_000;
/** Changes after which a member writes a snapshot and forgets its log. */
const SNAPSHOT_CHANGES = 10_000;

/** What differs from member to member. */
export interface EtcdArguments {
  name: string;
  /** Folder of its data. */
  data: string;
  /** Base URLs on which it listens. */
  listen: { peers: string; clients: string };
  /** Base URLs that others are told. */
  advertise: { peers: string; clients: string };
  /** `NAME=URL,...` of all members. */
  initialCluster: string;
  /** It joins a cluster; false: it makes a new one of itself. */
  existing: boolean;
  /** Keeps a new cluster apart from any other one; "" where it joins one. */
  cluster: string;
  /** PEM file with its certificate and key. */
  certificate: string;
  /** PEM file of what it trusts. */
  authority: string;
}

/** Arguments of `etcd`, 3.4 or later. */
export function etcdArguments(member: EtcdArguments): string[] {
  const { certificate, authority } = member;
  return Object.entries({
    "name": member.name,
    "data-dir": member.data,
    "listen-peer-urls": member.listen.peers,
    "listen-client-urls": member.listen.clients,
    "initial-advertise-peer-urls": member.advertise.peers,
    "advertise-client-urls": member.advertise.clients,
    "initial-cluster": member.initialCluster,
    "initial-cluster-state": member.existing ? "existing" : "new",
    ...(member.cluster ? { "initial-cluster-token": member.cluster } : {}),
    "cert-file": certificate,
    "key-file": certificate,
    "trusted-ca-file": authority,
    "client-cert-auth": "true",
    "peer-cert-file": certificate,
    "peer-key-file": certificate,
    "peer-trusted-ca-file": authority,
    "peer-client-cert-auth": "true",
    "heartbeat-interval": HEARTBEAT_MS,
    "election-timeout": ELECTION_MS,
    "pre-vote": "true", // a member that comes back does not unseat the leader
    "quota-backend-bytes": QUOTA_BYTES,
    "auto-compaction-mode": "revision",
    "auto-compaction-retention": KEPT_REVISIONS,
    "snapshot-count": SNAPSHOT_CHANGES,
    "max-snapshots": 2,
    "max-wals": 2,
    "logger": "zap",
    "log-outputs": "stderr",
    "log-level": "warn",
  }).map(([name, value]) => `--${name}=${value}`);
}
