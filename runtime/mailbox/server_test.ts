import assert from "node:assert/strict";
import net from "node:net";
import { open, Stranger, test } from "../../tests/support/mailbox_nodes.ts";
import { until } from "../../tests/support/transport_suite.ts";
import { createMailbox } from "./mod.ts";
import { MAILBOX_PATH } from "./wire.ts";

test("new MailboxServer() answers other paths and methods with an HTTP status", async () => {
  const b = await open("b", { accept: () => true });
  for (const [path, method, status] of [["/", "POST", 404], [MAILBOX_PATH, "GET", 405]] as const) {
    const stranger = new Stranger(b.mailbox.port, path, method);
    await until(() => stranger.closed || stranger.status !== undefined, "an answer");
    assert.equal(stranger.status, status);
    stranger.session.destroy();
  }
  const raw = net.connect(b.mailbox.port, "127.0.0.1");
  raw.on("error", () => {});
  let closed = false;
  raw.on("close", () => closed = true);
  raw.resume();
  raw.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await until(() => closed, "the end of a connection that speaks no HTTP/2");
  assert.equal(b.mailbox.stats().protocolErrors, 3);
  await b.mailbox.close();
});

test("new MailboxServer() ends connections, when they do not say hello in time", async () => {
  const b = await open("b", { accept: () => true, limits: { helloTimeoutMs: 60 } });
  const silent = net.connect(b.mailbox.port, "127.0.0.1");
  silent.on("error", () => {});
  let closed = false;
  silent.on("close", () => closed = true);
  silent.resume();
  const slow = new Stranger(b.mailbox.port).write(new Uint8Array([0, 0, 0]));
  const idle = new Stranger(b.mailbox.port, "/elsewhere");
  assert.match(await slow.refusal(), /no hello within 60 ms/);
  await until(() => idle.session.destroyed, "the end of a connection without a mailbox stream");
  await until(() => closed, "the end of a silent connection");
  await b.mailbox.close();
});

test("MailboxServer.listen() rejects, when the port is taken", async () => {
  const b = await open("b");
  await assert.rejects(createMailbox({ node: "c", port: b.mailbox.port }), /EADDRINUSE|in use/i);
  await b.mailbox.close();
});
