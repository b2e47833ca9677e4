/**
 * An answer that grows in several places at once: the points first, then a branch for each, all in
 * the same frames. It asks a node that runs already (`deno task start`).
 *
 *     deno run -N examples/11_outline.ts [http://127.0.0.1:8420]
 */
// deno-lint-ignore-file no-console -- an example prints what it shows
const [url = "http://127.0.0.1:8420"] = Deno.args;

const response = await fetch(`${url}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    messages: [{ role: "user", content: "How does the water cycle work?" }],
    stream: true,
    temperature: 0,
    orrery: {
      mode: "outline",
      live_branches: true, // otherwise they are streamed as one text, in order
    },
  }),
});
if (!response.ok) throw new Error(await response.text());

const branches: string[] = [];
const order: number[] = [];
const events = (await response.text()).split("\n\n").map((event) => /^data: (\{.*)$/m.exec(event));
for (const [, data] of events.filter((event) => event !== null)) {
  const { choices: [{ delta }], orrery } = JSON.parse(data);
  const branch = delta.orrery?.branch;
  if (branch !== undefined) {
    branches[branch] = (branches[branch] ?? "") + delta.content;
    if (order.at(-1) !== branch) order.push(branch);
  }
  if (orrery) {
    console.log(branches.map((text) => text.trim()).join("\n\n"));
    console.log(`pieces came by turns from branches ${order.slice(0, 9).join(" ")} ...`);
    console.log(`${orrery.mode}: ${orrery.branches} branches, ${orrery.why}`);
  }
}
console.log("next: deno task chat --mode outline shows branches side by side as they grow");
