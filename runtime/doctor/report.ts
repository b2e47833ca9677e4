/**
 * What the doctor answers, as `POST /api/doctor` and `deno task doctor --json` have it.
 *
 * @module
 */
import { z } from "zod";
import { checkupSchema, faultSchema } from "../../actors/mod.ts";

/** Schema of something that is wrong at a node, and what to do about it. */
export const problemSchema = faultSchema.extend({
  /** Id of the node. */
  node: z.string(),
});
/** See {@linkcode problemSchema}. */
export type Problem = z.infer<typeof problemSchema>;

/** Schema of a whole report. */
export const doctorReportSchema = checkupSchema.extend({
  /** Whether nothing is wrong. */
  ok: z.boolean(),
  /** Id of the node that was asked. */
  asked: z.string(),
  problems: z.array(problemSchema),
});
/** See {@linkcode doctorReportSchema}. */
export type DoctorReport = z.infer<typeof doctorReportSchema>;
