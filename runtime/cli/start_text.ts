/**
 * What `deno task start` prints for its user: what to do next, what is open to whom, what is served.
 *
 * @module
 */
import { join as joinPath } from "node:path";
import pc from "picocolors";
import type { Deployment } from "../../actors/mod.ts";
import { isLoopback, KEY_FILE, KEY_VARIABLE } from "../access/mod.ts";
import type { Node, NodeOptions } from "../node.ts";
import { asCalled } from "./as_called.ts";
import { joinCommand } from "./join_command.ts";
import { portLines } from "./open_ports.ts";
import { PROGRAM } from "./program_name.ts";

/** The lines that tell the user what to do next: the API's URL, a request, a second node. */
export async function welcome(node: Node, options: NodeOptions): Promise<string> {
  // A node that has joined passes on the token that it was given: only the first node makes them.
  const token = await node.joinToken() ?? options.token;
  const second = token === undefined
    ? `${PROGRAM} token create, on the first node, says how`
    : joinCommand({
      first: node.firstAddress,
      token,
      near: { port: Number(new URL(node.url).port), mailboxPort: node.mailboxAddress.port },
    });
  return [
    `${pc.bold("API")}      ${node.url}/v1`,
    `${
      pc.bold("try")
    }      curl ${node.url}/v1/chat/completions -H 'content-type: application/json' ${
      node.ownKey === undefined ? "" : `-H "authorization: Bearer $${KEY_VARIABLE}" `
    }` +
    `-d '{"messages":[{"role":"user","content":"Why does it rain?"}]}'`,
    `${pc.bold("add")}      ${second}`,
    ...ports(node, options),
  ].join("\n");
}

function ports(node: Node, { host, data, apiKeyFile, announce, join }: NodeOptions): string[] {
  const { port } = node.mailboxAddress;
  return portLines({
    mailbox: { host, port },
    api: { ...node.apiAddress, port: Number(new URL(node.url).port) },
    keyFile: node.ownKey === undefined ? undefined : apiKeyFile ?? joinPath(data, KEY_FILE),
    announces: announce === true && join === undefined && !isLoopback(host),
    etcd: node.etcdPorts && { host, ...node.etcdPorts },
  });
}

/** One line that says what is served, or why nothing is. */
export function servingLine(
  node: Node,
  deployment: Deployment | undefined,
  reason: string,
): string {
  if (!deployment) return `${pc.yellow("not ready")} ${asCalled(reason)}`;
  const at = Object.entries(Object.groupBy(deployment.stages, (s) => s.node));
  const stages = at.map(([name, own]) =>
    `${layersText(own!)} on ${name === node.id ? "this node" : name}`
  );
  return `${pc.green("ready")}    ${deployment.model}: ${stages.join(", ")}`;
}

/** Layers of the stages at one node: a backup may have several, next to each other or not. */
function layersText(stages: readonly { first: number; last: number }[]): string {
  const ranges: { first: number; last: number }[] = [];
  for (const { first, last } of stages) {
    const before = ranges.at(-1);
    if (before?.last === first - 1) before.last = last;
    else ranges.push({ first, last });
  }
  const texts = ranges.map(({ first, last }) => first === last ? `${first}` : `${first}-${last}`);
  return `${texts.length > 1 || texts[0].includes("-") ? "layers" : "layer"} ${
    texts.join(" and ")
  }`;
}
