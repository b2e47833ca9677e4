/**
 * `POST /api/pull`: adds a model to the store, and tells how far it is.
 *
 * @module
 */
import { z } from "zod";
import { type BodyLimits, readJson } from "../body.ts";
import { type Api, stopper } from "../env.ts";
import { apiError } from "../errors.ts";
import type { Generator } from "../generator.ts";
import { ownPagesOnly } from "../nodes.ts";
import { parseBody } from "../parse_body.ts";
import type { PullService, PullStep } from "../pull_service.ts";
import { LINES_TYPE, stepLines } from "../step_lines.ts";
import { ollamaError } from "./errors.ts";
import { modelField } from "./fields.ts";

/** The body of `/api/pull`. */
export const ollamaPullSchema = z.object({
  model: modelField.describe(
    "`owner/name` on the hub, `owner/name:q8` (or `q4`, `q4-calibrated`, `q4m`, `q4m-calibrated`, `f16`, `f32`), `owner/name:file.gguf`, or a model that is here",
  ),
  name: modelField.describe("the older name of `model`"),
  stream: z.boolean().nullish().describe("false: answer whole; else lines of JSON"),
  insecure: z.boolean().nullish().describe("taken, without effect"),
});

/** Adds the route. */
export function ollamaPullRoute(
  app: Api,
  { generator, limits, pull, origins }: {
    generator: Generator;
    limits: BodyLimits;
    pull?: PullService;
    origins: readonly string[];
  },
): void {
  app.post("/api/pull", ownPagesOnly(origins, "add models to this node"), async (c) => {
    const { model, name, stream } = parseBody(
      ollamaPullSchema,
      await readJson(c.req.raw, limits),
    );
    const wanted = model ?? name ?? "default";
    const served = wanted === "default" ||
      generator.models().some((card) => card.name === wanted);
    const stop = new AbortController();
    const abort = stopper(c, stop);
    const steps = (served ? haveIt() : stepsOf(pull, wanted, stop.signal))[Symbol.asyncIterator]();
    try {
      const first = await steps.next(); // what is refused has no line
      if (stream === false) {
        for (let step = first; !step.done; step = await steps.next());
        abort.release();
        return c.json({ status: "success" });
      }
      const end = () => {
        abort.release();
        stop.abort(apiError("client_closed", "the client went away"));
      };
      const lines = stepLines(first, steps, { end, errorLine: ollamaError });
      return c.body(lines, 200, { "content-type": LINES_TYPE });
    } catch (error) {
      abort.release();
      throw error;
    }
  });
}

async function* haveIt(): AsyncGenerator<PullStep, void> {
  yield { status: "pulling manifest" };
  yield { status: "success" };
}

function stepsOf(
  pull: PullService | undefined,
  wanted: string,
  signal: AbortSignal,
): AsyncIterable<PullStep> {
  if (pull) return pull.pull(wanted, signal);
  throw apiError(
    "unsupported_parameter",
    `${JSON.stringify(wanted.slice(0, 200))} is not served here, and this node adds no models: ` +
      "run `deno task models add` with its name on the hub",
    "model",
  );
}
