/**
 * Loads the grammar engine, xgrammar compiled to WebAssembly. Its package is one script for browsers
 * and for Node's `require`: as a module of Deno it finds neither, and needs these globals.
 *
 * @module
 */
import type * as Package from "@mlc-ai/web-xgrammar";

/** What the package exports. */
export type GrammarLibrary = typeof Package;

/** A loaded library and the memory that it computes in. */
export interface LoadedLibrary {
  /** The package. */
  library: GrammarLibrary;
  /** Bytes of the library's memory; it never shrinks. */
  memoryBytes(): number;
  /**
   * What the library has written of a text that it refuses since {@linkcode LoadedLibrary.forget}:
   * its errors do not say it.
   */
  said(): string | undefined;
  /** Forgets what it has written. */
  forget(): void;
}

/** Sets `globals` until `run` has ended. */
async function withGlobals(globals: Record<string, unknown>, run: () => Promise<void>) {
  const before = Object.keys(globals).map((name) =>
    [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const
  );
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  try {
    await run();
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete (globalThis as Record<string, unknown>)[name];
    }
  }
}

/** Loads the library. Call it once in a thread, one that does nothing else. */
export async function loadGrammarLibrary(): Promise<LoadedLibrary> {
  let memory: WebAssembly.Memory | undefined;
  const { instantiate } = WebAssembly;
  // The package tells nobody its memory: it is caught where it is made.
  const spy = async (...args: Parameters<typeof instantiate>) => {
    const made = await instantiate(...args);
    const { exports } = (made as unknown as WebAssembly.WebAssemblyInstantiatedSource).instance;
    memory = Object.values(exports).find((value) => value instanceof WebAssembly.Memory);
    return made;
  };
  WebAssembly.instantiate = spy as unknown as typeof instantiate;
  let said: string | undefined;
  const { error: write, log } = console;
  // It writes why it refuses a text, and keeps this function for good.
  // deno-lint-ignore no-console
  console.log = () => {}; // its warnings, which are of no use to anybody here
  // deno-lint-ignore no-console
  console.error = (line: unknown) => {
    const fatal = /^\[FATAL\] \S+: (.*)$/s.exec(String(line));
    if (fatal) said = fatal[1].trim().slice(0, 500);
  };
  try {
    const require = (name: string) => {
      if (name === "url") return { pathToFileURL: (path: string) => new URL(`file://${path}`) };
      throw new Error(`the grammar engine asks for module ${name}`);
    };
    let library!: GrammarLibrary;
    await withGlobals({ require, __filename: "/index.js", __dirname: "/" }, async () => {
      await import("@mlc-ai/web-xgrammar");
      library = (globalThis as unknown as { xgrammar: GrammarLibrary }).xgrammar;
      (await library.Grammar.fromEBNF(`root ::= "x"`)).dispose(); // makes its memory
    });
    return {
      library,
      memoryBytes: () => memory?.buffer.byteLength ?? 0,
      said: () => said,
      forget: () => said = undefined,
    };
  } finally {
    Object.assign(console, { error: write, log });
    WebAssembly.instantiate = instantiate;
  }
}
