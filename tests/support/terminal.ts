/**
 * Runs a program at a pseudo-terminal, by Python's `pty`.
 *
 * @module
 */
/** Longest wait for something to appear, milliseconds. */
const PATIENCE_MS = 60_000;

/** Gives a program a terminal of a size, and passes on what is typed and printed. */
const RELAY = `
import fcntl, os, pty, select, struct, sys, termios
columns, rows, *command = sys.argv[1:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
inputs = [fd, 0]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if 0 in ready:
        typed = os.read(0, 4096)
        if typed: os.write(fd, typed)
        else: inputs = [fd]
    if fd in ready:
        try: printed = os.read(fd, 4096)
        except OSError: printed = b""
        if not printed: break
        os.write(1, printed)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 255)
`;

/** Whether this machine can run {@linkcode Terminal}. */
export function hasTerminals(): boolean {
  if (Deno.build.os === "windows") return false;
  try {
    const args = ["-c", "import pty, os; os.waitstatus_to_exitcode"];
    return new Deno.Command("python3", { args, stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** A program at a terminal. */
export class Terminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #typed: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reading: Promise<void>;
  #output = "";
  #seen = 0;
  #wake = () => {};
  #ended = false;

  /** Starts a program; `columns` and `rows` are its terminal's. */
  constructor(
    [program, ...args]: string[],
    { columns = 100, rows = 30, cwd }: { columns?: number; rows?: number; cwd?: string } = {},
  ) {
    this.#child = new Deno.Command("python3", {
      args: ["-c", RELAY, `${columns}`, `${rows}`, program, ...args],
      cwd,
      env: { NO_COLOR: "1", TERM: "xterm" },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#typed = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Everything that was printed. */
  get output(): string {
    return this.#output;
  }

  /** Types a text. */
  async type(text: string): Promise<void> {
    await this.#typed.write(new TextEncoder().encode(text));
  }

  /** Waits until something is printed, after what was waited for before; what was printed till then. */
  async until(pattern: RegExp): Promise<string> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const rest = this.#output.slice(this.#seen);
      const match = pattern.exec(rest);
      if (match) {
        this.#seen += match.index + match[0].length;
        return rest.slice(0, match.index + match[0].length);
      }
      if (this.#ended || performance.now() > deadline) {
        throw new Error(`no ${pattern} in ${JSON.stringify(rest)}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The exit code, once the program ends. */
  async code(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.#typed.close().catch(() => {});
    await this.code();
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }
}
