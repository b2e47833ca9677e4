import assert from "node:assert/strict";
import { numberOption, readFlags, sizeOption, takeBare, urlOption } from "./args.ts";
import { DOCTOR, MODELS } from "./commands/mod.ts";
import { UsageError } from "./fail.ts";

/** What is said about a command line that is wrong. */
function refusal(args: string[]): string {
  try {
    readFlags(MODELS, args);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.message;
  }
  throw new Error(`${args} was taken`);
}

Deno.test("readFlags() takes the options of a command, and says which one may be meant", () => {
  const { values, positionals } = readFlags(MODELS, ["add", "x", "--block=64", "--keep"]);
  assert.deepEqual(positionals, ["add", "x"]);
  assert.deepEqual([values?.block, values?.keep, values?.deep, values?.data, values?.name], [
    "64",
    true,
    false,
    ".orrery",
    undefined,
  ]);
  assert.equal(readFlags(MODELS, ["--help"]).values, undefined);
  assert.equal(
    refusal(["--presicion", "q4"]),
    "unknown option --presicion: did you mean --precision?",
  );
  assert.match(
    refusal(["--frobnicate"]),
    /^unknown option --frobnicate: known are --data, --json, .*--help$/,
  );
  assert.match(refusal(["--name"]), /^Option '--name <value>' argument missing$/);
  assert.throws(() => readFlags(DOCTOR, ["all"]), /unexpected "all"/);
});

Deno.test("sizeOption() takes units of memory, and a number alone in MiB", () => {
  const range = { min: 2 ** 20, max: 2 ** 50 };
  const bytes = (text?: string) => sizeOption("memory", text, range);
  assert.equal(bytes(), undefined);
  assert.equal(bytes("20"), 20 * 2 ** 20);
  assert.equal(bytes("1.5"), 1.5 * 2 ** 20);
  assert.equal(bytes("4GiB"), 4 * 2 ** 30);
  assert.equal(bytes("1.5GiB"), 1.5 * 2 ** 30);
  assert.equal(bytes("512MiB"), 2 ** 29);
  assert.equal(bytes("2048KiB"), 2 ** 21);
  assert.equal(bytes("4GB"), 4e9);
  assert.equal(bytes("500MB"), 5e8);
  for (const text of ["", "4gib", "4 GiB", "4G", "-1", "1e3", "GiB", "0", "1KiB", "9999999GiB"]) {
    assert.throws(() => bytes(text), (error) => error instanceof UsageError, text);
  }
  assert.throws(() => bytes("4G"), /--memory takes a size from 1MiB to 1048576GiB such as 4GiB/);
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
