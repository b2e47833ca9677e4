/**
 * Frame: what moves through the pipeline. *Run these rows.*
 *
 * Rows form a forest. Every live row stands in an arena **slot** (0 .. capacity-1), the same slot
 * in every stage; the arbiter that owns the arena alone assigns slots. A frame appends rows at
 * slots `base .. base+rows-1`; each row names its parent's slot (-1: a root). A row attends to
 * itself and to its ancestors, nothing else. So a prompt piece is a chain, a draft is a chain or
 * tree on the last accepted row, an outline branch is a chain on the shared prefix, and the rows of
 * several requests stand side by side in one arena and one frame. Rows that are no longer wanted
 * are holes, until a `layout` moves the live ones together. Every slot below a frame's rows takes
 * part in its attention, if only masked; rows that nobody needs now stand on the **shelf**, above
 * all frames.
 *
 * @module
 */
import { z } from "zod";
import { lengthProblems, rowProblems, wantProblems } from "./frame_problems.ts";
import { type Tensor, tensorSchema, wireSchema } from "./tensor.ts";

/**
 * How the last stage picks a token. Penalties as in Hugging Face (repetition) and OpenAI (presence,
 * frequency).
 */
export const samplingSchema = z.object({
  /** 0 is greedy. */
  temperature: z.number().min(0).max(100).default(0),
  /** Keep the k best; 0 keeps all. */
  top_k: z.number().int().min(0).default(0),
  /** Nucleus: smallest set with this probability mass. */
  top_p: z.number().gt(0).max(1).default(1),
  /** Drop tokens below `min_p` times the best one's probability. */
  min_p: z.number().min(0).max(1).default(0),
  repetition_penalty: z.number().gt(0).max(10).default(1),
  presence_penalty: z.number().min(-2).max(2).default(0),
  frequency_penalty: z.number().min(-2).max(2).default(0),
  /**
   * Random numbers are a function of (seed, position of the sampled token): any frame split gives
   * the same draw.
   */
  seed: z.number().int().min(0).max(0xffffffff).default(0),
  /** Alternatives reported with each token (0: none). */
  top_logprobs: z.number().int().min(0).max(20).default(0),
  /** Report the chosen token's log-probability. */
  logprobs: z.boolean().default(false),
  /**
   * Added to a token's logit before anything else (OpenAI `logit_bias`), as [token id, bias] pairs.
   */
  logit_bias: z.array(z.tuple([z.number().int().min(0), z.number().min(-100).max(100)])).max(1024)
    .default(
      [],
    ),
  /**
   * Tokens that must not be chosen before this many have been generated (EOS under `min_tokens`).
   */
  banned: z.array(z.number().int().min(0)).max(64).default([]),
});

/** See {@linkcode samplingSchema}. */
export type Sampling = z.infer<typeof samplingSchema>;

/** When one stage had a frame. Times are milliseconds of that stage's own clock. */
export const stageTraceSchema = z.object({
  /** Index of the stage in the pipeline, 0 for the first. */
  stage: z.number().int().nonnegative(),
  /** When the frame came into the stage's mailbox. */
  received: z.number(),
  /** When the engine began to run the frame's rows. */
  began: z.number(),
  /** When the engine had run them. */
  ended: z.number(),
  /** Milliseconds that the frame's layout took before `began`; undefined: it had no layout. */
  layout_ms: z.number().nonnegative().optional(),
});

/** See {@linkcode stageTraceSchema}. */
export type StageTrace = z.infer<typeof stageTraceSchema>;

const i32 = z.instanceof(Int32Array);

/** Schema of a {@linkcode Frame}; beyond types it checks that the row arrays agree in length. */
export const frameSchema = z.object({
  /** Names the arena. */
  arena: z.string().min(1).max(128),
  /** 0, 1, 2 ... per arena. */
  seq: z.number().int().nonnegative(),
  /**
   * Done before the rows run: allocates the arena (first frame: `keep` is empty), grows, shrinks or
   * compacts it.
   */
  layout: z.object({
    /** Rows that the arena holds from now on. */
    capacity: z.number().int().positive(),
    /**
     * Slots whose rows move to slots 0, 1, 2 ...; a row's parent comes before it. What neither list
     * names is forgotten. Negative ones count from the arena's end as it is before: -1 is its last
     * slot.
     */
    keep: i32,
    /**
     * Slots, named in the same way, whose rows move to the shelf: the arena's last slots, the last
     * of the list to the very last. No frame's rows see them, so they cost no time; a later layout
     * brings them back. A row's parent is on the shelf too, or kept.
     */
    shelf: i32.optional(),
    /** Address that gets the arena's `tokens` and `failed` messages. */
    reply_to: z.string(),
    /** How hidden states travel from stage to stage. */
    wire: wireSchema,
  }).optional(),
  /** Ways of sampling that wanted rows may name from now on. */
  samplers: z.array(z.object({
    id: z.number().int().nonnegative(),
    sampling: samplingSchema,
    /**
     * Rows before this position are the prompt (penalties count generated rows only, repetition
     * counts all).
     */
    prompt_rows: z.number().int().nonnegative(),
  })).optional(),
  /** Samplers that nobody names any more. */
  drop_samplers: z.array(z.number().int().nonnegative()).optional(),
  /** Slot of the first row. */
  base: z.number().int().nonnegative(),
  /** Token id of each row. (rows) */
  tokens: i32,
  /** Position (RoPE) of each row. (rows) */
  positions: i32,
  /**
   * Slot of each row's parent, -1 for a root. A parent may be in the same frame, before its child.
   * (rows)
   */
  parents: i32,
  /** Indices into this frame's rows (0 .. rows-1) whose next token is wanted. */
  want: i32,
  /** Sampler of each wanted row. (want) */
  want_samplers: i32,
  /** After the first stage: hidden states (rows, hidden), as the arena's `wire` says. */
  hidden: tensorSchema.optional(),
  /** When each stage so far had the frame, in its own clock's milliseconds. */
  trace: z.array(stageTraceSchema).optional(),
}).superRefine((f, ctx) => {
  const problems = [...lengthProblems(f)];
  if (problems.length === 0) problems.push(...rowProblems(f), ...wantProblems(f));
  for (const { message } of problems) ctx.addIssue({ code: "custom", message });
  const rows = f.tokens.length;
  if (f.hidden && f.hidden.shape[0] !== rows) {
    ctx.addIssue({
      code: "custom",
      message: `hidden has ${f.hidden.shape[0]} rows, frame has ${rows}`,
    });
  }
});

/** See {@linkcode frameSchema} and the module's text. */
export type Frame = z.infer<typeof frameSchema> & { hidden?: Tensor };

/** What the last stage answers for one wanted row. */
export const tokenResultSchema = z.object({
  /** Arena slot of the row that was asked for. */
  slot: z.number().int().nonnegative(),
  token: z.number().int().nonnegative(),
  /**
   * Nothing could be chosen for this row (`token` means nothing then); the rest of the frame is
   * well.
   */
  failed: z.object({ code: z.string(), message: z.string() }).optional(),
  /** Natural-log probability of `token`, before temperature and penalties. */
  logprob: z.number().optional(),
  /** Best alternatives as [token, logprob], best first. */
  top: z.array(z.tuple([z.number().int().nonnegative(), z.number()])).optional(),
});

/** See {@linkcode tokenResultSchema}. */
export type TokenResult = z.infer<typeof tokenResultSchema>;
