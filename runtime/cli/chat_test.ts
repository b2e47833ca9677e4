import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { ScriptedGenerator } from "../../tests/support/scripted_generator.ts";
import { hasTerminals, Terminal } from "../../tests/support/terminal.ts";
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

/** The command line of the command as its task has it, without the program. */
const commandLine = (args: string[]): string[] => [
  ...["run", "-q", "-P=talk", "--no-prompt", "--config"],
  ...[fileURLToPath(new URL("../../deno.json", import.meta.url))],
  ...[new URL("./chat.ts", import.meta.url).href, ...args],
];

function start(args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: commandLine(args),
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

Deno.test(
  "deno task chat ends quietly where nobody reads its output any more",
  checked,
  () =>
    withNode(async (url, generator) => {
      const aborted = Promise.withResolvers<void>();
      generator.onAbort = aborted.resolve;
      const child = start(["--url", url, "[flood]"]);
      await child.stdin.close();
      const stdout = child.stdout.getReader();
      await stdout.read();
      await stdout.cancel();
      const [stderr, { code }] = await Promise.all([
        new Response(child.stderr).text(),
        child.status,
        aborted.promise,
      ]);
      assert.deepEqual([code, stderr], [0, ""]);
    }),
);

const terminals = hasTerminals();

Deno.test({
  name: `deno task chat is a conversation on a terminal${
    terminals ? "" : " (skipped: no Python with pty)"
  }`,
  ignore: !terminals,
  fn: () =>
    withNode(async (url, generator) => {
      const command = [Deno.execPath(), ...commandLine(["--url", url])];
      await using terminal = new Terminal(command, {
        columns: 72,
        cwd: import.meta.dirname, // it may write no history there
      });
      await terminal.until(/> /);
      await terminal.type("/help\r");
      await terminal.until(/Ctrl-C ends an answer/);
      await terminal.type("/mdoe\r");
      await terminal.until(/there is no \/mdoe: did you mean \/mode\?/);

      await terminal.type("one \\\r");
      await terminal.until(/\.\.\. /);
      await terminal.type("two\r");
      const shown = await terminal.until(/\(first token 1 ms, 1000 tokens\/s, plain\)/);
      assert.match(shown, /how to tell a\r\ngood story/); // 72 columns, broken between words
      const [{ prompt }] = generator.requests;
      assert.deepEqual(prompt.kind === "chat" && prompt.messages, [
        { role: "user", content: "one \ntwo" },
      ]);

      await terminal.type("[endless]\r");
      await terminal.until(/café/);
      await terminal.type("\x03");
      await terminal.until(/\(stopped[^]*> /);

      await terminal.type("/mode outline\r");
      await terminal.until(/mode outline/);
      await terminal.type("branches [endless]\r");
      await terminal.until(/ │ /);
      await terminal.type("\x03");
      await terminal.until(/\(stopped[^]*> /);
      assert.equal(generator.requests.at(-1)?.mode, "outline");
      assert.equal(generator.requests.at(-1)?.liveBranches, true);

      await terminal.type("half a line");
      await terminal.until(/half a line/);
      await terminal.type("\x03");
      await terminal.until(/> \S*$/);
      await terminal.type("\x03");
      assert.equal(await terminal.code(), 130);
    }),
});
