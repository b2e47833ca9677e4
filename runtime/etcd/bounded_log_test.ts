import assert from "node:assert/strict";
import { BoundedLog } from "./bounded_log.ts";

Deno.test("BoundedLog keeps the end of a text in two files of bounded size", async () => {
  const folder = await Deno.makeTempDir({ prefix: "orrery-log-" });
  try {
    const path = `${folder}/etcd.log`;
    const log = new BoundedLog(path, 100);
    assert.equal(log.last, "");
    for (let i = 0; i < 50; i++) void log.write(new TextEncoder().encode(`line ${i}\n`));
    await log.close();
    const files = [`${path}.1`, path].map((file) => Deno.readTextFileSync(file));
    assert.ok(files.every((text) => text.length <= 100 && text.length > 0));
    assert.match(files.join(""), /line 48\nline 49\n$/);
    assert.equal(log.last, "line 49");
    // A later life of the node goes on in the same file.
    const again = new BoundedLog(path, 100);
    await again.write(new TextEncoder().encode("again\n"));
    await again.close();
    assert.equal(await Deno.readTextFile(path), files[1] + "again\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
