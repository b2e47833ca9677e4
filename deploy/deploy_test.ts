/** The files of this folder against the program: command lines, versions, files that they name. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { readFlags } from "../runtime/cli/args.ts";
import { START } from "../runtime/cli/commands/mod.ts";
import { DENO_VERSION } from "./program_files.ts";

const FOLDER = import.meta.dirname!;
const ROOT = join(FOLDER, "..");
const read = (name: string): string => Deno.readTextFileSync(join(FOLDER, name));

/** Checks a command line that runs the launcher; `program`: where the checkout is. */
function checkCommand(words: string[], program = "/opt/orrery/"): void {
  assert.deepEqual(words.slice(0, 4), ["run", "-q", "-P=launch", "--no-prompt"]);
  const [config, path, launcher, ...options] = words.slice(4);
  assert.equal(config, "--config");
  for (const file of [path, launcher]) {
    assert.ok(file.startsWith(program), file);
    assert.ok(Deno.statSync(join(ROOT, file.slice(program.length))).isFile, file);
  }
  readFlags(START, options); // throws where an option is unknown
}

Deno.test("orrery.service starts the launcher with options that start has", () => {
  const unit = read("orrery.service");
  const [, command] = /^ExecStart=\/usr\/local\/bin\/deno (.*) \$ORRERY_OPTIONS$/m.exec(unit)!;
  checkCommand(command.split(" "));
  const [, options] = /^# ORRERY_OPTIONS="(.*)"$/m.exec(unit)!;
  assert.equal(readFlags(START, options.split(" ")).values!["token-file"], "/etc/orrery/token");
});

Deno.test("Containerfile copies what is there and starts the launcher", () => {
  const file = read("Containerfile").replaceAll(/\\\n\s*/g, "");
  assert.ok(file.includes(`FROM docker.io/denoland/deno:debian-${DENO_VERSION}\n`));
  for (const [, sources] of file.matchAll(/^COPY (.*) \S+$/gm)) {
    for (const source of sources.split(" ")) assert.ok(Deno.statSync(join(ROOT, source)), source);
  }
  const words = (name: string): string[] =>
    JSON.parse(new RegExp(`^${name} (\\[.*\\])$`, "m").exec(file)![1]);
  const [program, ...entry] = words("ENTRYPOINT");
  assert.equal(program, "deno");
  checkCommand([...entry, ...words("CMD")]);
});

Deno.test("k3s.yaml starts nodes with options that start has, at a service that it defines", () => {
  const objects = parseAllDocuments(read("k3s.yaml")).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS();
  });
  const service = objects.find(({ kind }) => kind === "Service");
  const port = service.spec.ports.find(({ name }: { name: string }) => name === "mailbox").port;
  const nodes = objects.filter(({ kind }) => kind === "StatefulSet");
  assert.equal(nodes.length, 2);
  const joined = nodes.map(({ spec }) => {
    const { values } = readFlags(START, spec.template.spec.containers[0].args);
    assert.equal(values!.host, "0.0.0.0");
    assert.deepEqual(spec.template.metadata.labels, spec.selector.matchLabels);
    return values!.join;
  });
  assert.deepEqual(joined, [undefined, `${service.metadata.name}:${port}`]);
  assert.deepEqual(nodes[0].spec.selector.matchLabels, service.spec.selector);
});
