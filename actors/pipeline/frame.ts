/**
 * Frame: the message that moves through the pipeline. It tells each stage to run some rows.
 *
 * Rows form a forest. Every live row stands in an arena **slot** (0 .. capacity-1), which is the
 * same slot in every stage. Only the arbiter that owns the arena assigns slots. A frame appends
 * rows at slots `base .. base+rows-1`; each row names its parent's slot (-1: the row is a root). A
 * row attends to itself and to its ancestors, and to nothing else. So a prompt piece is a chain, a
 * draft is a chain or a tree on the last accepted row, an outline branch is a chain on the shared
 * prefix, and the rows of several requests stand side by side in one arena and one frame.
 *
 * A row that is no longer wanted leaves a hole, until a `layout` moves the live rows together.
 * Attention reads every slot below a frame's rows, masked or not, and so takes time for it. Rows
 * that nobody needs now are therefore moved to the **shelf**: the last slots of the arena, above
 * the rows of every frame.
 *
 * @module
 */
import { z } from "zod";
import { spansSchema } from "../system/mod.ts";
import { lengthProblems, rowProblems, wantProblems } from "./frame_problems.ts";
import { type Tensor, tensorSchema, wireSchema } from "./tensor.ts";
import { MOST_MASK_BYTES, MOST_MASKS } from "./token_mask.ts";

/**
 * How the last stage picks a token. Penalties are defined as in Hugging Face (repetition) and
 * OpenAI (presence, frequency).
 */
export const samplingSchema = z.object({
  /** Divides the logits before a token is drawn; 0 always takes the best token (greedy). */
  temperature: z.number().min(0).max(100).default(0),
  /** Draw among the k best tokens; 0: among all. */
  top_k: z.number().int().min(0).default(0),
  /**
   * Draw among the smallest set of best tokens whose probabilities sum to this (nucleus sampling);
   * 1: among all.
   */
  top_p: z.number().gt(0).max(1).default(1),
  /** Never draw a token whose probability is below `min_p` times the best one's; 0: no limit. */
  min_p: z.number().min(0).max(1).default(0),
  /**
   * Divides the positive logits of tokens that occurred and multiplies the negative ones; 1: off.
   */
  repetition_penalty: z.number().gt(0).max(10).default(1),
  /** Subtracted from the logit of each token that was generated at least once; 0: off. */
  presence_penalty: z.number().min(-2).max(2).default(0),
  /** Subtracted from a token's logit for each time that it was generated; 0: off. */
  frequency_penalty: z.number().min(-2).max(2).default(0),
  /**
   * Seed of the random numbers. Each is a function of (seed, position of the sampled token), so the
   * same tokens are drawn however rows are spread over frames.
   */
  seed: z.number().int().min(0).max(0xffffffff).default(0),
  /** How many of the best tokens are reported with each chosen token; 0: none. */
  top_logprobs: z.number().int().min(0).max(20).default(0),
  /** Whether the chosen token's log-probability is reported. */
  logprobs: z.boolean().default(false),
  /**
   * [token id, bias] pairs; the bias is added to the token's logit before anything else (OpenAI
   * `logit_bias`).
   */
  logit_bias: z.array(z.tuple([z.number().int().min(0), z.number().min(-100).max(100)]))
    .max(1024).default([]),
  /** Token ids that are never chosen, e.g. the end tokens where an answer must go on. */
  banned: z.array(z.number().int().min(0)).max(64).default([]),
});

/** See {@linkcode samplingSchema}. */
export type Sampling = z.infer<typeof samplingSchema>;

/**
 * When one stage, or one shard of the LM head, had a frame. Times are milliseconds of its own
 * clock.
 */
export const stageTraceSchema = z.object({
  /** Index of the stage in the pipeline, 0 for the first; the number of stages for the LM head. */
  stage: z.number().int().nonnegative(),
  /** Index of the shard of the LM head; undefined: this is a stage. */
  shard: z.number().int().nonnegative().optional(),
  /** When the frame came into the stage's mailbox. */
  received: z.number(),
  /** When the engine began to run the frame's rows. */
  began: z.number(),
  /** When the engine had run them. */
  ended: z.number(),
  /**
   * Milliseconds of the device's time between `began` and `ended`: runs that were under way at the
   * same time share it. Undefined: a node of an earlier program, which does not tell.
   */
  busy_ms: z.number().nonnegative().optional(),
  /** Milliseconds that the frame's layout took before `began`; undefined: it had no layout. */
  layout_ms: z.number().nonnegative().optional(),
});

/** See {@linkcode stageTraceSchema}. */
export type StageTrace = z.infer<typeof stageTraceSchema>;

const i32 = z.instanceof(Int32Array);

/** A sampler that wanted rows may name. */
export const samplerSchema = z.object({
  /** Number that `want_samplers` names it by. */
  id: z.number().int().nonnegative(),
  /** How it samples. */
  sampling: samplingSchema,
  /**
   * Position of the first generated token. Presence and frequency penalties count tokens from there
   * on; the repetition penalty counts the prompt's too.
   */
  prompt_rows: z.number().int().nonnegative(),
  /**
   * True: nothing is sampled; the results are the rows' hidden states after the final norm. Only
   * for strict samplers. @default false
   */
  hidden: z.boolean().optional(),
});

/** See {@linkcode samplerSchema}. */
export type AnnouncedSampler = z.infer<typeof samplerSchema>;

/** A mask that wanted rows may name; see `token_mask.ts`. */
export const maskSchema = z.object({
  /** Number that `want_masks` names it by. */
  id: z.number().int().nonnegative(),
  /** The mask as `packMask` packs it. */
  bits: z.instanceof(Uint8Array).refine(
    ({ length }) => length > 0 && length <= MOST_MASK_BYTES,
    `a mask must have 1 to ${MOST_MASK_BYTES} bytes`,
  ),
});

/** Masks and samplers that a frame announces and drops, and what they mean for its wanted rows. */
export const maskFields = {
  /**
   * Samplers of requests that no stage may answer without knowing `want_masks`: those of an earlier
   * program do not read this field, and so refuse their rows (`no_sampler`).
   */
  strict_samplers: z.array(samplerSchema).optional(),
  /** Masks that wanted rows of this and later frames may name. */
  masks: z.array(maskSchema).max(MOST_MASKS).optional(),
  /** Ids of masks that no later frame names; the last stage forgets them. */
  drop_masks: z.array(z.number().int().nonnegative()).max(MOST_MASKS).optional(),
  /**
   * Id of the mask of each wanted row, -1 for a row for which every token may be chosen, -2 for one
   * whose mask comes to the last stage by `late`; undefined: no row has a mask. i32 (wanted rows)
   */
  want_masks: i32.optional(),
  /**
   * For each wanted row the token whose log-probability is wanted in place of a choice, -1: one is
   * chosen; undefined: for all rows. Rows that name one have strict samplers. i32 (wanted rows)
   */
  want_given: i32.optional(),
};

/** Schema of a {@linkcode Frame}; beyond types it checks that the row arrays agree in length. */
export const frameSchema = z.object({
  /** Name of the arena, the same in every stage; an arbiter never uses a name twice. */
  arena: z.string().min(1).max(128),
  /** Number of the frame in its arena: 0, 1, 2 ... */
  seq: z.number().int().nonnegative(),
  /**
   * The `floor` of the last realignment before it (`rebuild.ts`): a stage with an older one has missed
   * what ran elsewhere, and has nothing of the arena. Left out: the arena was not realigned.
   */
  floor: z.number().int().nonnegative().optional(),
  /**
   * Change of the arena, made before the rows run: allocates it (first frame, with an empty
   * `keep`), grows, shrinks or compacts it. Undefined: the arena stays as it is.
   */
  layout: z.object({
    /** How many rows the arena has slots for from now on. */
    capacity: z.number().int().positive(),
    /**
     * Slots whose rows move to slots 0, 1, 2 ...; a row's parent comes before it. Rows that neither
     * `keep` nor `shelf` names are forgotten. A negative slot counts from the end of the arena as
     * it was before this layout: -1 was its last slot.
     */
    keep: i32,
    /**
     * Slots, named in the same way, whose rows move to the shelf: the last slots of the arena, in
     * the order of this list. Frames do not reach them, so they cost no time; a later layout brings
     * them back. A row's parent is on the shelf too, or kept. Undefined: the shelf is emptied.
     */
    shelf: i32.optional(),
    /**
     * Which rows windowed layers keep: rows that later ones cannot attend to there need not stay.
     * `keep` has slots as they are after this layout, whose rows move to near slots 0, 1, 2 ... of
     * the layers' own buffers, which have room for `capacity` rows; these layers forget all others. Only
     * in an arena whose first layout says so. Undefined: they keep what they have.
     */
    near: z.object({ capacity: z.number().int().positive(), keep: i32 }).optional(),
    /** Address that gets the arena's `tokens` and `failed` messages. */
    reply_to: z.string(),
    /** Wire format of the hidden states between the stages of this arena. */
    wire: wireSchema,
  }).optional(),
  /** Samplers that wanted rows of this and later frames may name. */
  samplers: z.array(samplerSchema).optional(),
  /** Ids of samplers that no later frame names; the last stage forgets them. */
  drop_samplers: z.array(z.number().int().nonnegative()).optional(),
  ...maskFields,
  /** Slot of the frame's first row; the others follow it. */
  base: z.number().int().nonnegative(),
  /**
   * Near slot of the frame's first row, in windowed layers; the others follow it. Undefined: these
   * layers have the slots of the arena.
   */
  near_base: z.number().int().nonnegative().optional(),
  /** Token id of each row. i32 (rows) */
  tokens: i32,
  /** Position of each row in its sequence, as RoPE counts it. i32 (rows) */
  positions: i32,
  /**
   * Slot of each row's parent, -1 for a root. A parent may be in the same frame, before its child.
   * i32 (rows)
   */
  parents: i32,
  /** Indices (0 .. rows-1) of this frame's rows whose next token is wanted. i32 (wanted rows) */
  want: i32,
  /** Id of the sampler of each wanted row. i32 (wanted rows) */
  want_samplers: i32,
  /**
   * Hidden states (rows, hidden) in the arena's wire format; undefined on the way to the first
   * stage.
   */
  hidden: tensorSchema.optional(),
  /** When each stage so far had the frame, in pipeline order. */
  trace: z.array(stageTraceSchema).optional(),
  /** Spans of requests whose traces are recorded: each stage tells them what it has done. */
  spans: spansSchema.optional(),
  /** Its rows are run again where a stage has lost them; see `rebuild.ts`. */
  rebuild: z.object({
    /** Index of the last stage that runs it. It tells the arbiter that it has (`rebuilt`). */
    until: z.number().int().nonnegative(),
    /** Indices of the stages that begin the arena anew with the frame's layout. */
    fresh: z.array(z.number().int().nonnegative()).max(1024),
    /**
     * Indices of those that carry out its layout in the arena that they began with an earlier frame: windowed
     * layers give rows up. A stage of an earlier program, which does not read this, keeps all rows.
     */
    again: z.array(z.number().int().nonnegative()).max(1024).optional(),
    /** The `floor` of the realignment before it: the arena's layout is as that one left it. */
    floor: z.number().int().nonnegative(),
  }).optional(),
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

/** The last stage's answer for one wanted row. */
export const tokenResultSchema = z.object({
  /** Arena slot of the wanted row. */
  slot: z.number().int().nonnegative(),
  /** Id of the chosen token: the one that follows the wanted row. */
  token: z.number().int().nonnegative(),
  /**
   * Why no token could be chosen for this row; `token` is then meaningless. The other rows of the
   * frame are not affected.
   */
  failed: z.object({ code: z.string(), message: z.string() }).optional(),
  /**
   * Natural logarithm of the probability of `token`, before temperature and penalties; undefined:
   * not asked for.
   */
  logprob: z.number().optional(),
  /** The best tokens as [token, logprob], best first; undefined: not asked for. */
  top: z.array(z.tuple([z.number().int().nonnegative(), z.number()])).optional(),
  /**
   * The row's hidden state after the final norm, f32 (hidden), where the sampler asks for that;
   * `token` is then meaningless.
   */
  hidden: z.instanceof(Float32Array).optional(),
});

/** See {@linkcode tokenResultSchema}. */
export type TokenResult = z.infer<typeof tokenResultSchema>;
