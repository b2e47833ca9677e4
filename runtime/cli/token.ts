/**
 * `deno task token`: makes, lists and revokes the tokens with which nodes join a cluster. It works
 * where the cluster keeps them, on the first node's files or in the registry, which are read for each
 * node that joins; so the nodes may run or not.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import pc from "picocolors";
import { formatToken, type StoredToken } from "../trust/mod.ts";
import { durationOption, numberOption, readFlags, registryOption } from "./args.ts";
import { TOKEN } from "./commands/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { joinCommand } from "./join_command.ts";
import { openAuthority, type OpenedAuthority } from "./open_authority.ts";
import { PROGRAM } from "./program_name.ts";
import { table } from "./table.ts";

const DAY_MS = 24 * 3600_000;
/** Bounds of --ttl, milliseconds. */
const TTL = { min: 1_000, max: 366 * DAY_MS };

async function token(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(TOKEN, args);
  if (!values) return printHelp(TOKEN);
  const [command, id, ...rest] = positionals;
  if (rest.length > 0 || (id !== undefined && command !== "revoke")) {
    throw new UsageError(`unexpected ${JSON.stringify(rest[0] ?? id)}`);
  }
  if (command !== "create" && (values.uses ?? values.ttl) !== undefined) {
    throw new UsageError("--uses and --ttl are for create");
  }
  if (command === "revoke" && id === undefined) {
    throw new UsageError("revoke takes the ID of a token");
  }
  if (!["create", "list", "revoke"].includes(command)) {
    throw new UsageError(
      `token takes create, list or revoke, got ${JSON.stringify(command ?? "")}`,
    );
  }
  const { data, json } = values;
  const uses = numberOption("uses", values.uses, { min: 1, max: 100_000, integer: true }) ?? 1;
  const ttlMs = durationOption("ttl", values.ttl, TTL) ?? DAY_MS;
  await using opened = await openAuthority({ data, registry: registryOption(values.registry) });
  if (command === "create") return await create(opened, { uses, ttlMs, json });
  if (command === "list") return await list(opened, json);
  return await revoke(opened, id, json);
}

async function create(
  { authority, first }: OpenedAuthority,
  { uses, ttlMs, json }: { uses: number; ttlMs: number; json: boolean },
): Promise<number> {
  const made = await authority.tokens.create({ uses, ttlMs, note: `${PROGRAM} token create` });
  const text = formatToken({ authority: authority.fingerprint, ...made });
  const until = new Date(Date.now() + ttlMs).toISOString();
  if (json) {
    console.log(JSON.stringify({ token: text, id: made.id, uses, until, first }));
    return exitCodes.ok;
  }
  console.log(text);
  console.log(`good for ${uses === 1 ? "1 node" : `${uses} nodes`} until ${until}`);
  if (first) console.log(`join with: ${joinCommand({ first, token: text })}`);
  return exitCodes.ok;
}

async function list({ authority }: OpenedAuthority, json: boolean): Promise<number> {
  const tokens = await authority.tokens.list();
  if (json) {
    console.log(JSON.stringify(tokens.map(({ secret_sha256: _, ...shown }) => shown), null, 2));
  } else if (tokens.length === 0) {
    console.log(`no tokens; \`${PROGRAM} token create\` makes one`);
  } else {
    const head = ["ID", "JOINED", "UNTIL", "STATE", "MADE FOR"];
    console.log(table([head.map((cell) => pc.bold(cell)), ...tokens.map(row)]));
  }
  return exitCodes.ok;
}

function row(token: StoredToken): string[] {
  const { id, uses, used, expires_ms, note } = token;
  const state = expires_ms <= Date.now() ? "expired" : used >= uses ? "used up" : "good";
  return [id, `${used} of ${uses}`, new Date(expires_ms).toISOString(), state, note];
}

async function revoke({ authority }: OpenedAuthority, id: string, json: boolean): Promise<number> {
  const revoked = await authority.tokens.revoke(id);
  if (json) console.log(JSON.stringify({ id, revoked }));
  else if (revoked) console.log(`revoked ${id}; nodes that joined with it stay`);
  if (revoked) return exitCodes.ok;
  console.error(
    `error: there is no token ${JSON.stringify(id)}; \`${PROGRAM} token list\` shows all`,
  );
  return exitCodes.failed;
}

if (import.meta.main) await runCommand(token);
