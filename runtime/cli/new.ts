/**
 * `deno task new`: writes an actor or a graph of one's own, with its test.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { relative, resolve } from "node:path";
import { readFlags } from "./args.ts";
import { NEW } from "./commands/mod.ts";
import { exitCodes, runCommand, UsageError } from "./fail.ts";
import { actorFiles, checkName, graphFiles, writeNew } from "./new_files.ts";
import { printHelp } from "./print_help.ts";
import { PROGRAM } from "./program_name.ts";

async function newCommand(args: string[]): Promise<number> {
  const { values, positionals } = readFlags(NEW, args);
  if (!values) return printHelp(NEW);
  const [what, name, ...rest] = positionals;
  if (what !== "actor" && what !== "graph") {
    throw new UsageError(`new takes actor or graph, got ${JSON.stringify(what ?? "")}`);
  }
  if (name === undefined || rest.length > 0) {
    throw new UsageError(
      `new ${what} takes one NAME, got ${name === undefined ? 0 : rest.length + 1}`,
    );
  }
  checkName(name);
  const { dir, actor, json } = values;
  if (dir === "") throw new UsageError('--dir takes a folder, got ""');
  if (actor !== undefined && what !== "graph") throw new UsageError("--actor is for new graph");
  if (actor !== undefined && !actor.endsWith(".ts")) {
    throw new UsageError(`--actor takes a module such as guard.ts, got ${JSON.stringify(actor)}`);
  }
  const module = actor && (relative(resolve(dir), resolve(dir, actor)) || actor);
  const files = what === "actor" ? actorFiles(name) : graphFiles(name, module);
  const written = await writeNew(dir, files);
  if (json) {
    console.log(JSON.stringify({ written }));
    return exitCodes.ok;
  }
  for (const path of written) console.log(`wrote ${path}`);
  const [file, test] = written;
  console.log(`test it:  deno test --allow-read --allow-env ${test}`);
  console.log(
    what === "actor"
      ? `use it:   ${PROGRAM} new graph ${name}_graph --dir ${dir} --actor ${files[0].name}`
      : `serve it: ${PROGRAM} start --graph ${file}`,
  );
  return exitCodes.ok;
}

if (import.meta.main) await runCommand(newCommand);
