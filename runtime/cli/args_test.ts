import assert from "node:assert/strict";
import { numberOption, readArgs, takeBare, urlOption } from "./args.ts";
import { UsageError } from "./fail.ts";

Deno.test("readArgs() turns an unknown option into one line", () => {
  assert.throws(() => readArgs({ args: ["--nope"], options: {} }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /^Unknown option '--nope'[^\n]*$/);
    return true;
  });
});

Deno.test("numberOption() takes numbers in the range only", () => {
  const port = { min: 0, max: 65535, integer: true };
  assert.equal(numberOption("port", undefined, port), undefined);
  assert.equal(numberOption("port", "8420", port), 8420);
  for (const text of ["", " ", "x", "1.5", "-1", "65536", "NaN", "Infinity"]) {
    assert.throws(() => numberOption("port", text, port), UsageError, text);
  }
  assert.equal(numberOption("t", "0.5", { min: 0, max: 2 }), 0.5);
});

Deno.test("urlOption() takes http URLs only", () => {
  assert.equal(urlOption("url", "http://127.0.0.1:8420/"), "http://127.0.0.1:8420");
  for (const text of ["", "127.0.0.1:8420", "localhost:8420", "ftp://a"]) {
    assert.throws(() => urlOption("url", text), UsageError, text);
  }
});

Deno.test("takeBare() takes an option without a value, and no other", () => {
  const bare = (...all: string[]) => takeBare("join", all);
  assert.deepEqual(bare("--join", "--token", "X"), { args: ["--token", "X"], bare: true });
  assert.deepEqual(bare("--port", "0", "--join"), { args: ["--port", "0"], bare: true });
  for (const all of [["--join", "a:1"], ["--join=a:1"], ["--join", ""], ["--", "--join"], []]) {
    assert.deepEqual(bare(...all), { args: all, bare: false });
  }
});
