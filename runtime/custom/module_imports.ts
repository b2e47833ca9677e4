/**
 * Finds what a TypeScript or JavaScript module imports, without a parser: comments, strings,
 * templates and regular expressions are passed over, and what is left is looked through for the
 * words that import.
 *
 * @module
 */

/** A place in a module's text, from `start` to before `end`, in UTF-16 code units. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** A specifier that a module names, with its quotes in the range. */
export interface ModuleImport extends TextRange {
  /** What stands between the quotes. */
  readonly specifier: string;
}

/** What {@linkcode scanModule} has found. */
export interface ScannedModule {
  /** Literal specifiers of `import`, `export ... from` and `import("...")`, in order. */
  readonly imports: ModuleImport[];
  /** Places of `import.meta.url`, `.dirname` and `.filename`. */
  readonly metas: (TextRange & { readonly name: "url" | "dirname" | "filename" })[];
}

/** A word, a literal text, or a sign. */
interface Token extends TextRange {
  readonly kind: "word" | "text" | "sign" | "other";
  readonly text: string;
}

/** Words after which a slash begins a regular expression. */
const BEFORE_REGEX = new Set([
  ...["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "do", "else"],
  ...["await", "yield", "instanceof"],
]);

/** Matches a name. */
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy;
/** Matches a number, so that its letters are taken for no word. */
const NUMBER = /\d[\w.]*/y;
/** Matches a regular expression with its flags. */
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;

/** See the module's text. It never throws: of text that is no module, it finds less. */
export function scanModule(text: string): ScannedModule {
  const tokens = [...tokensOf(text)];
  const imports: ModuleImport[] = [];
  const metas: ScannedModule["metas"] = [];
  const is = (i: number, text: string) => tokens[i]?.kind !== "text" && tokens[i]?.text === text;
  const add = (i: number) => {
    const token = tokens[i];
    if (token?.kind !== "text") return;
    imports.push({ start: token.start, end: token.end, specifier: token.text });
  };
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i].kind !== "word" || is(i - 1, ".")) continue;
    if (is(i, "import")) {
      if (is(i + 1, ".")) {
        const name = tokens[i + 4]?.text;
        if (!is(i + 2, "meta") || !is(i + 3, ".")) continue;
        if (name !== "url" && name !== "dirname" && name !== "filename") continue;
        metas.push({ start: tokens[i].start, end: tokens[i + 4].end, name });
      } else if (is(i + 1, "(")) add(i + 2);
      else if (tokens[i + 1]?.kind === "text") add(i + 1);
      else add(fromOf(tokens, i + 1));
    } else if (is(i, "export") && ["*", "{", "type"].some((next) => is(i + 1, next))) {
      add(fromOf(tokens, i + 1));
    }
  }
  return { imports, metas };
}

/** Index of the text after `from` in the clause that begins at `at`; -1: it has none. */
function fromOf(tokens: Token[], at: number): number {
  for (let i = at; i < tokens.length && i < at + 4_096; i++) {
    const { kind, text } = tokens[i];
    if (text === "from" && kind === "word" && tokens[i + 1]?.kind === "text") return i + 1;
    const inClause = kind === "word" || kind === "text" || ["*", "{", "}", ","].includes(text);
    if (!inClause) return -1;
  }
  return -1;
}

function* tokensOf(text: string): Generator<Token> {
  /** Depths of braces at which a template goes on. */
  const templates: number[] = [];
  let depth = 0;
  let last: Token | undefined;
  for (let at = 0; at < text.length;) {
    const char = text[at];
    if (/\s/.test(char)) {
      at++;
      continue;
    }
    if (text.startsWith("//", at) || (at === 0 && text.startsWith("#!"))) {
      at = endOf(text, "\n", at);
      continue;
    }
    if (text.startsWith("/*", at)) {
      at = endOf(text, "*/", at + 2);
      continue;
    }
    const start = at;
    let kind: Token["kind"] = "sign";
    let value = char;
    if (char === '"' || char === "'") {
      at = stringEnd(text, at);
      kind = "text";
      value = text.slice(start + 1, at - 1);
    } else if (char === "`" || (char === "}" && templates.at(-1) === depth)) {
      if (char === "}") templates.pop();
      const end = templateEnd(text, at + 1);
      at = end.at;
      if (end.hole) templates.push(depth);
      kind = "other";
      value = "`";
    } else if (char === "/" && mayBeRegex(last)) {
      at = matchEnd(REGEX, text, at) ?? at + 1;
      kind = "other";
    } else {
      const word = matchEnd(WORD, text, at);
      const number = word === undefined ? matchEnd(NUMBER, text, at) : undefined;
      at = word ?? number ?? at + 1;
      kind = word !== undefined ? "word" : number !== undefined ? "other" : "sign";
      value = text.slice(start, at);
      if (value === "{") depth++;
      if (value === "}") depth--;
    }
    last = { kind, text: value, start, end: at };
    yield last;
  }
}

/** Whether a slash after this token begins a regular expression, and does not divide. */
function mayBeRegex(last: Token | undefined): boolean {
  if (!last) return true;
  if (last.kind === "word") return BEFORE_REGEX.has(last.text);
  return last.kind === "sign" && last.text !== ")" && last.text !== "]" && last.text !== "}";
}

function matchEnd(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

function endOf(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? text.length : at + what.length;
}

function stringEnd(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === text[at] || text[i] === "\n") return i + 1;
  }
  return text.length;
}

/** Where a template, or a part of one, ends; `hole`: an expression follows. */
function templateEnd(text: string, at: number): { at: number; hole: boolean } {
  for (let i = at; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "`") return { at: i + 1, hole: false };
    else if (text.startsWith("${", i)) return { at: i + 2, hole: true };
  }
  return { at: text.length, hole: false };
}
