/**
 * One model over four nodes. Here all four are in one process; on four machines each is a `deno task
 * start`, and the last three `--join` the first.
 *
 *     deno run -A examples/10_four_nodes.ts
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
import { type Node, startNode } from "@orrery/orrery";

const folder = await Deno.makeTempDir({ prefix: "orrery-example-" });
const placed = Promise.withResolvers<string[]>();
const nodes: Node[] = [];
try {
  for (const name of ["desk", "den", "attic", "shed"]) {
    const first = nodes.at(0);
    nodes.push(
      await startNode({
        ...{ host: "127.0.0.1", port: 0, mailboxPort: 0, name, threads: 1 },
        data: `${folder}/${name}`,
        nodes: 4,
        placement: "even", // the planner would keep so small a model on one node
        ...(first && { join: first.mailboxAddress, token: await first.joinToken() }),
        onServe(deployment) {
          if (deployment?.stages.length !== 4) return;
          placed.resolve(
            deployment.stages.map(({ node, first, last }) =>
              `layers ${first}-${last} on ${node.split(":")[0]}`
            ),
          );
        },
      }),
    );
  }
  console.log((await placed.promise).join("\n"));

  // Any node answers: the last one has the others compute its layers.
  const response = await fetch(`${nodes[3].url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Why does it rain?" }] }),
  });
  const { choices: [{ message }], orrery } = await response.json();
  console.log(message.content.trim());
  console.log(`${orrery.stages} stages on ${orrery.nodes} nodes, ${orrery.mode}`);
} finally {
  for (const node of nodes.toReversed()) await node.close();
  await Deno.remove(folder, { recursive: true });
}
console.log("next: deno task start on one machine prints the line with which others join");
