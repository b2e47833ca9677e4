/**
 * `deno task keys`: makes, lists and revokes the keys of the REST API.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { join } from "node:path";
import {
  createApiKey,
  KEY_FILE,
  type KeyLimits,
  readKeyFile,
  revokeApiKey,
} from "../access/mod.ts";
import { readFlags } from "./args.ts";
import { KEYS } from "./commands/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { PROGRAM } from "./program_name.ts";
import { table } from "./table.ts";

async function keys(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(KEYS, args);
  if (!values) return printHelp(KEYS);
  const file = values["api-key-file"] ?? join(values.data, KEY_FILE);
  const [verb, ...rest] = positionals;
  const limits = {
    requests: countOption("requests", values.requests),
    tokens_per_minute: countOption("tokens-per-minute", values["tokens-per-minute"]),
  };
  const limited = limits.requests !== undefined || limits.tokens_per_minute !== undefined;
  if (limited && verb !== "create") {
    throw new UsageError("--requests and --tokens-per-minute are for create");
  }
  const { json } = values;
  switch (verb) {
    case "create": {
      const [name] = expectArgs(verb, rest, ["NAME"]);
      await create(file, name, { limits: limited ? limits : undefined, json });
      return exitCodes.ok;
    }
    case "list":
      expectArgs(verb, rest, []);
      await list(file, { named: values["api-key-file"] !== undefined, json });
      return exitCodes.ok;
    case "revoke": {
      const [id] = expectArgs(verb, rest, ["ID"]);
      const { name } = await revokeApiKey(file, id);
      console.log(`revoked ${id} (${name}): nodes that use ${file} refuse it within a second`);
      return exitCodes.ok;
    }
  }
  throw new UsageError(
    verb === undefined
      ? "expected create, list or revoke"
      : `expected create, list or revoke, got ${JSON.stringify(verb)}`,
  );
}

/** Makes a key and shows it, once. */
async function create(
  file: string,
  name: string,
  { limits, json }: { limits?: KeyLimits; json?: boolean },
): Promise<void> {
  const { key, record } = await createApiKey(file, name, limits);
  const { id, created } = record;
  if (json) {
    const stated = record.limits && { limits: record.limits };
    return console.log(JSON.stringify({ id, name: record.name, created, ...stated, key }));
  }
  console.log(key); // alone on stdout, so that a shell can keep it
  console.error(
    `This is the only time that the key is shown. Clients send it as \`authorization: Bearer KEY\`.\n` +
      `Its id is ${id}; \`${PROGRAM} keys revoke ${id}\` ends it.`,
  );
}

/** Lists the keys of a file. `named`: the user has named the file. */
async function list(
  file: string,
  { named, json }: { named: boolean; json?: boolean },
): Promise<void> {
  // A folder that has no keys yet is no mistake; a file that was named is there.
  const none = !named && !await isThere(file);
  if (none && !json) {
    return console.log(`there are no keys in ${file}; make one: ${PROGRAM} keys create NAME`);
  }
  const known = (none ? [] : readKeyFile(file)).map((
    { id, name, created, limits },
  ) => ({ id, name, created, ...(limits && { limits }) }));
  console.log(
    json ? JSON.stringify(known) : table([
      ["ID", "NAME", "CREATED", "REQUESTS", "TOKENS/MIN"],
      ...known.map(({ id, name, created, limits }) => [
        ...[id, name, created],
        ...[limits?.requests, limits?.tokens_per_minute].map((n) => `${n ?? "-"}`),
      ]),
    ]),
  );
}

const isThere = (file: string): Promise<boolean> => Deno.stat(file).then(() => true, () => false);

/** A whole number from 1 on. Throws {@linkcode UsageError}. */
function countOption(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(
    `--${option} takes a whole number from 1 to 999999999, got ${JSON.stringify(text)}`,
  );
}

/** The arguments of a verb. Throws {@linkcode UsageError} where there are more or fewer. */
function expectArgs(verb: string, given: string[], wanted: string[]): string[] {
  if (given.length === wanted.length) return given;
  const usage = [`${PROGRAM} keys`, verb, ...wanted].join(" ");
  throw new UsageError(`expected ${usage}, got ${given.length} arguments after ${verb}`);
}

if (import.meta.main) await runCommand(keys);
