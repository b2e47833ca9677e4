import assert from "node:assert/strict";
import { bytesInClasses } from "./ebnf_classes.ts";

Deno.test("bytesInClasses() writes characters past ASCII as bytes", () => {
  assert.equal(bytesInClasses('root ::= [é-ë] "x"'), 'root ::= ([\\xc3\\xc3] [\\xa9-\\xab]) "x"');
  assert.equal(bytesInClasses("root ::= [\\u00e9]"), "root ::= ([\\xc3\\xc3] [\\xa9\\xa9])");
});

Deno.test("bytesInClasses() leaves texts, comments and classes of ASCII as they are", () => {
  for (
    const ebnf of ['root ::= "[é]" [a-z\\]] # [é]', 'root ::= "a\\"[^b]" ', "root ::= [+\\-]?"]
  ) {
    assert.equal(bytesInClasses(ebnf), ebnf);
  }
});

Deno.test("bytesInClasses() writes an inverted class as all characters that are not in it", () => {
  const written = bytesInClasses("root ::= [^\\n]");
  assert.match(written, /\\x00-\\x09\\x0b-\\x7f/);
  assert.match(written, /\[\\xed\\xed\] \[\\x80-\\x9f\] \[\\x80-\\xbf\]/, "no surrogates");
});
