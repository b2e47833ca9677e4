import { configure, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import { OrreryError } from "../actors/mod.ts";
import { unsentLog } from "./unsent_log.ts";

/** Levels and texts of what is logged, until `reset` of LogTape. */
async function kept(): Promise<string[]> {
  const lines: string[] = [];
  await configure({
    reset: true,
    sinks: {
      memory: ({ level, message }) => void lines.push(`${level} ${message.map(String).join("")}`),
    },
    loggers: [
      { category: "orrery", lowestLevel: "debug", sinks: ["memory"] },
      { category: ["logtape", "meta"], lowestLevel: "fatal", sinks: ["memory"] },
    ],
  });
  return lines;
}

const failure = (code: string) =>
  new OrreryError({ group: "mailbox", code, message: `the message is ${code}` });

Deno.test("unsentLog() says who could not send what to whom and why, and counts repetitions", async () => {
  const lines = await kept();
  try {
    let now = 0;
    const logUnsent = unsentLog({ now: () => now });
    const to = "d1/stage/1";
    const report = { type: "unsent", message: "frame", to, error: failure("too_large") } as const;
    for (let i = 0; i < 4; i++) logUnsent("d1/arbiter/n0", report);
    logUnsent("d1/arbiter/n0", { ...report, error: failure("not_active") });
    now = 60_000;
    logUnsent("d1/arbiter/n0", report);
    const line = (code: string) =>
      `message not sent: frame from d1/arbiter/n0 to d1/stage/1: the message is ${code}`;
    assert.deepEqual(lines, [
      `warning ${line("too_large")}`,
      `debug ${line("not_active")}`,
      `warning ${line("too_large")} (and 3 more since the last such line)`,
    ]);
  } finally {
    await reset();
  }
});
