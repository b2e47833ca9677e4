/**
 * The clients in Python: `openai` and `litellm`, where an environment with them is there.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Cell, Feature, Matrix, Target } from "./matrix.ts";

const FOLDER = fileURLToPath(new URL("./", import.meta.url));
/** The Python of the environment that `deno task install:clients` makes. */
const PYTHON = `${FOLDER}.venv/bin/python`;

/** One line that the program prints. */
interface Line {
  client: string;
  feature: Feature;
  ms: number;
  error: string | null;
}

/** What the clients in Python can do; empty, with a message, where they are not installed. */
export async function pythonMatrix({ url, model }: Target): Promise<Matrix> {
  const installed = await Deno.stat(PYTHON).then(() => true, () => false);
  if (!installed) {
    Deno.stdout.writeSync(
      new TextEncoder().encode("in Python: skipped (deno task install:clients installs them)\n"),
    );
    return {};
  }
  const { stdout, stderr, code } = await new Deno.Command(PYTHON, {
    args: [`${FOLDER}python_checks.py`, url, model],
  }).output();
  const text = new TextDecoder().decode(stdout).trim();
  if (code !== 0 || text === "") {
    throw new Error(`python_checks.py ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  const matrix: Matrix = {};
  for (const line of text.split("\n")) {
    if (!line.startsWith('{"client"')) continue; // litellm prints advice
    const { client, feature, ms, error } = JSON.parse(line) as Line;
    const cell: Cell = error === null ? { state: "pass", ms } : { state: "fail", error };
    (matrix[client] ??= {})[feature] = cell;
  }
  return matrix;
}
