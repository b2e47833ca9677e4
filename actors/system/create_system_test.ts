import assert from "node:assert/strict";
import { z } from "zod";
import { anyNode } from "./callers.ts";
import { createSystem } from "./create_system.ts";
import { defineActor } from "./define.ts";
import { directoryOf } from "./directory.ts";
import { hasCode } from "./errors.ts";
import { LocalNetwork } from "./local_transport.ts";

const greeter = defineActor({
  kind: "greeter",
  config: z.object({ word: z.string().default("hello") }),
  messages: { greet: z.object({ name: z.string() }) },
  callers: anyNode,
  create: (ctx, { word }) => ({
    greet: ({ name }) => `${word} ${name}${ctx.resource<string>("mark")}`,
  }),
});

Deno.test("createSystem() makes a system of its own with configuration and resources", async () => {
  const resources = () => ({ mark: "!" });
  const system = createSystem([{ actor: greeter, config: { word: "hi" }, resources }]);
  assert.equal(await system.get(greeter, "a").greet({ name: "you" }), "hi you!");
  await system.close();
});

Deno.test("createSystem() makes one node of several from a transport and a directory", async () => {
  const network = new LocalNetwork();
  const directory = directoryOf(() => "right");
  const left = createSystem([], { transport: network.connect("left"), directory });
  const right = createSystem([{ actor: greeter, resources: () => ({ mark: "." }) }], {
    transport: network.connect("right"),
    directory,
  });
  assert.equal(await left.get(greeter, "a").greet({ name: "you" }), "hello you.");
  assert.deepEqual([left.status().length, right.status().length], [0, 1]);
  await Promise.all([left.close(), right.close()]);
});

Deno.test("createSystem() refuses a configuration that does not fit, and a kind named twice", () => {
  assert.throws(
    () => createSystem([{ actor: greeter, config: { word: 1 } }]),
    (e) => hasCode(e, "invalid_config") && /greeter: config\.word/.test(e.message),
  );
  assert.throws(() => createSystem([greeter, greeter]), /greeter is registered twice/);
});

Deno.test("ActorContext.resource() refuses a resource that is undefined", async () => {
  const system = createSystem([{ actor: greeter, resources: () => ({ mark: undefined }) }]);
  await assert.rejects(
    system.get(greeter, "a").greet({ name: "you" }),
    (e) => hasCode(e, "no_resource"),
  );
  await system.close();
});

Deno.test("createSystem() has each activation parse the configuration once", async () => {
  const doubler = defineActor({
    kind: "doubler",
    config: z.object({ n: z.number().transform((n) => 2 * n) }),
    messages: { read: z.object({}) },
    create: (_ctx, { n }) => ({ read: () => n }),
  });
  const system = createSystem([{ actor: doubler, config: { n: 1 } }]);
  assert.equal(await system.get(doubler, "a").read(), 2);
  await system.close();
});
