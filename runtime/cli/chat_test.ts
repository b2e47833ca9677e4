import assert from "node:assert/strict";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { createApi, serveApi } from "../api/mod.ts";

const checked = { sanitizeOps: true, sanitizeResources: true };
const answer =
  "The café on the hill is warm 🙂 and the people there know how to tell a good story about the sea";

/** Runs `body` with the URL of a served scripted generator. */
async function withNode(
  body: (url: string, generator: ScriptedGenerator) => Promise<void>,
): Promise<void> {
  const generator = new ScriptedGenerator();
  const stop = new AbortController();
  const server = await serveApi({
    app: createApi(generator),
    host: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    drainMs: 0,
  });
  try {
    await body(server.url, generator);
  } finally {
    stop.abort();
    await server.finished;
  }
}

/** Starts the command with no permission but the network. */
function start(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-net",
      new URL("./chat.ts", import.meta.url).href,
      ...args,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function chat(
  args: string[],
  stdin = "",
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = start(args);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  return {
    code,
    stdout: new TextDecoder().decode(stdout),
    stderr: new TextDecoder().decode(stderr),
  };
}

Deno.test(
  "deno task chat prints the answer to a question",
  checked,
  () =>
    withNode(async (url, generator) => {
      const args = [
        "--url",
        url,
        "--system",
        "Be brief",
        "--temperature",
        "0",
        "--max-tokens",
        "99",
        "what",
        "is",
        "it",
      ];
      assert.deepEqual(await chat(args), { code: 0, stdout: answer + "\n", stderr: "" });
      const [request] = generator.requests;
      assert.deepEqual(request.prompt, {
        kind: "chat",
        messages: [{ role: "system", content: "Be brief" }, {
          role: "user",
          content: "what is it",
        }],
      });
      assert.equal(request.maxTokens, 99);
      assert.equal(request.sampling.temperature, 0);
    }),
);

Deno.test(
  "deno task chat --json prints the API's answer on one line",
  checked,
  () =>
    withNode(async (url) => {
      const { code, stdout } = await chat(["--url", url, "--json", "hello"]);
      assert.equal(code, 0);
      assert.equal(stdout.trimEnd().split("\n").length, 1);
      assert.equal(JSON.parse(stdout).choices[0].message.content, answer);
    }),
);

Deno.test(
  "deno task chat without a question reads lines and remembers the conversation",
  checked,
  () =>
    withNode(async (url, generator) => {
      const { code, stdout } = await chat(["--url", url], "one\n\ntwo\n");
      assert.equal(code, 0);
      assert.equal(stdout, `${answer}\n${answer}\n`);
      assert.deepEqual(
        generator.requests.map(({ prompt }) => prompt.kind === "chat" && prompt.messages),
        [
          [{ role: "user", content: "one" }],
          [{ role: "user", content: "one" }, { role: "assistant", content: answer }, {
            role: "user",
            content: "two",
          }],
        ],
      );
    }),
);

Deno.test(
  "deno task chat says in one line what went wrong",
  checked,
  () =>
    withNode(async (url) => {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      const free = `http://127.0.0.1:${listener.addr.port}`;
      listener.close();
      const cases: [string[], number, RegExp][] = [
        [
          ["--url", free, "x"],
          1,
          /^error: cannot connect to http:.*: start a node with `deno task start`.*\n$/,
        ],
        [["--url", url, "[busy]"], 1, /^error: http:.* answered 429: refused: busy\n$/],
        [["--url", url, "[fail]"], 1, /^error: the answer broke off: stage 1 is gone\n$/],
        [
          ["--url", `${url}/healthz`, "x"],
          1,
          /^error: http:.* answered 404: no such route: POST .*\n$/,
        ],
        [
          ["--max-tokens", "0", "x"],
          2,
          /^error: --max-tokens takes a whole number .*, got "0" \(see --help\)\n$/,
        ],
        [["--nope"], 2, /^error: unknown option --nope: .* \(see --help\)\n$/],
      ];
      for (const [args, expected, line] of cases) {
        const { code, stderr } = await chat(args);
        assert.match(stderr, line);
        assert.equal(code, expected, args.join(" "));
      }
    }),
);

Deno.test(
  "deno task chat stops the generation at SIGINT",
  checked,
  () =>
    withNode(async (url, generator) => {
      const aborted = Promise.withResolvers<void>();
      generator.onAbort = aborted.resolve;
      const child = start(["--url", url, "[endless]"]);
      await child.stdin.close();
      const stdout = child.stdout.getReader();
      await stdout.read();
      child.kill("SIGINT");
      await aborted.promise;
      assert.equal((await child.status).code, 130);
      await stdout.cancel();
      await child.stderr.cancel();
    }),
);
