/**
 * Runs another program in this one's place.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user

/** Where the C library is, by operating system. */
const C_LIBRARY: Record<string, string | undefined> = {
  linux: "libc.so.6",
  darwin: "libSystem.B.dylib",
};

/** Puts another program in this process's place. Returns only if that fails. */
function execute(library: string, program: string, args: string[]): void {
  const { symbols } = Deno.dlopen(library, {
    execv: { parameters: ["buffer", "buffer"], result: "i32" },
  });
  const texts = [program, ...args].map((text) => new TextEncoder().encode(`${text}\0`));
  // One block outside V8's heap, so that nothing moves: the texts, one behind the other.
  const block = new Uint8Array(new ArrayBuffer(texts.reduce((sum, t) => sum + t.length, 0)));
  const start = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(block)));
  const pointers = new BigUint64Array(new ArrayBuffer(8 * (texts.length + 1))); // ends with null
  let at = 0;
  for (const [i, text] of texts.entries()) {
    block.set(text, at);
    pointers[i] = start + BigInt(at);
    at += text.length;
  }
  symbols.execv(block, pointers);
}

/** Runs the program as a child and passes signals on. Resolves to its exit code. */
async function runChild(program: string, args: string[]): Promise<number> {
  const child = new Deno.Command(program, { args }).spawn();
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      try {
        child.kill(signal);
      } catch {
        // it has ended
      }
    });
  }
  return (await child.status).code;
}

/**
 * Runs `deno` with these arguments and exits as it does. On Linux and macOS it takes this process's
 * place, with its id, standard streams and environment; nothing of this program stays in memory.
 * Elsewhere it is a child process.
 */
export async function becomeDeno(args: string[]): Promise<never> {
  const library = C_LIBRARY[Deno.build.os];
  if (library !== undefined) {
    try {
      execute(library, Deno.execPath(), args);
    } catch (error) {
      console.error(`this runs as a child process, as ${library} cannot be called: ${error}`);
    }
  }
  Deno.exit(await runChild(Deno.execPath(), args));
}
