/**
 * `deno task keys`: makes, lists and revokes the keys of the REST API.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { join } from "node:path";
import { createApiKey, KEY_FILE, readKeyFile, revokeApiKey } from "../access/mod.ts";
import { readArgs } from "./args.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { table } from "./table.ts";

const help = `Make, list and revoke keys of the REST API. A node that runs sees a change at once.

Usage: deno task keys create NAME [options]
       deno task keys list [options]
       deno task keys revoke ID [options]

  --api-key-file FILE    the file of keys [${KEY_FILE} in the data folder]
  --data DIR             the node's data folder [.orrery]
  --json                 create, list: print JSON
  --help                 print this

A key is printed once, by create: the file holds hashes only. A node whose data folder has the
file, or that is started with --api-key-file, asks every client for one of its keys.
Exit codes: 0 done, 1 failed, 2 wrong command line.`;

async function keys(args: string[]): Promise<number> {
  const { values, positionals } = readArgs({
    args,
    allowPositionals: true,
    options: {
      "api-key-file": { type: "string" },
      data: { type: "string", default: ".orrery" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return exitCodes.ok;
  }
  const file = values["api-key-file"] ?? join(values.data, KEY_FILE);
  const [verb, ...rest] = positionals;
  switch (verb) {
    case "create": {
      const [name] = expectArgs(verb, rest, ["NAME"]);
      const { key, record } = await createApiKey(file, name);
      if (values.json) {
        console.log(
          JSON.stringify({ id: record.id, name: record.name, created: record.created, key }),
        );
      } else {
        console.log(key); // alone on stdout, so that a shell can keep it
        console.error(
          `This is the only time that the key is shown. Clients send it as \`authorization: Bearer KEY\`.\n` +
            `Its id is ${record.id}; \`deno task keys revoke ${record.id}\` ends it.`,
        );
      }
      return exitCodes.ok;
    }
    case "list": {
      expectArgs(verb, rest, []);
      const known = readKeyFile(file).map(({ id, name, created }) => ({ id, name, created }));
      console.log(
        values.json
          ? JSON.stringify(known)
          : table([["ID", "NAME", "CREATED"], ...known.map((k) => [k.id, k.name, k.created])]),
      );
      return exitCodes.ok;
    }
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

/** The arguments of a verb. Throws {@linkcode UsageError} where there are more or fewer. */
function expectArgs(verb: string, given: string[], wanted: string[]): string[] {
  if (given.length === wanted.length) return given;
  const usage = ["deno task keys", verb, ...wanted].join(" ");
  throw new UsageError(`expected ${usage}, got ${given.length} arguments after ${verb}`);
}

if (import.meta.main) await runCommand(keys);
