/**
 * The registry's suite over a real etcd, where the machine has one.
 */
import { ETCD } from "./support/etcd_server.ts";
import { etcdWorld } from "./support/registry_etcd_world.ts";
import { registrySuite } from "./support/registry_suite.ts";

const ignore = ETCD === undefined;
const why = ignore ? ", skipped: there is no etcd on the PATH" : "";

registrySuite(`etcd${why}`, etcdWorld, { ignore });
