/**
 * Checkup: examines every member of a cluster and every link between two of them.
 *
 * Members are examined side by side, since that costs them little. Links are measured one after the
 * other, so that no measurement disturbs another and a cluster that serves loses little.
 *
 * @module
 */
import { z } from "zod";
import { type ActorContext, hasCode, toOrreryError } from "../system/mod.ts";
import type { Member } from "./deployment.ts";
import { examinationSchema } from "./examination.ts";
import { linkReportSchema, memberActor } from "./member.ts";

/** Milliseconds in which a member must answer. It waits for its peers and the registry meanwhile. */
export const EXAMINE_MS = 7_000;
/** Milliseconds in which a link must be measured; it takes well under a second at 10 Mbit/s. */
const LINK_MS = 5_000;
/** Milliseconds after which no further link is measured. */
const LINKS_MS = 30_000;
/** Milliseconds that a whole checkup takes at most. */
export const CHECKUP_MS: number = EXAMINE_MS + LINKS_MS + LINK_MS;

/** Longest text of why something failed, characters. */
const why = z.string().max(4096);
const node = z.string().max(128);

/** Schema of a member, and what it said of itself. */
export const nodeCheckSchema = z.discriminatedUnion("state", [
  z.object({ state: z.literal("examined"), node, examination: examinationSchema }),
  z.object({ state: z.literal("silent"), node, why }),
  /** Its program is older than these messages. */
  z.object({ state: z.literal("outdated"), node }),
]);
/** See {@linkcode nodeCheckSchema}. */
export type NodeCheck = z.infer<typeof nodeCheckSchema>;

const pair = { from: node, to: node };
/** Schema of a link between two members, and what the first of them measured. */
export const linkCheckSchema = z.discriminatedUnion("state", [
  linkReportSchema.extend({ state: z.literal("measured"), ...pair }),
  z.object({ state: z.literal("failed"), ...pair, why }),
  /** The time for links was over. */
  z.object({ state: z.literal("left_out"), ...pair }),
]);
/** See {@linkcode linkCheckSchema}. */
export type LinkCheck = z.infer<typeof linkCheckSchema>;

/** Schema of what a checkup found. */
export const checkupSchema = z.object({
  /** The members, in the order in which they joined; then those that fell silent. */
  nodes: z.array(nodeCheckSchema),
  /** One for each pair of members that answered. */
  links: z.array(linkCheckSchema),
});
/** See {@linkcode checkupSchema}. */
export type CheckupReport = z.infer<typeof checkupSchema>;

const because = (error: unknown): string => toOrreryError(error).message.slice(0, 4096);

/**
 * Examines these members and their links; `absent` are nodes that were members and are gone. Takes
 * {@linkcode CHECKUP_MS} at most.
 */
export async function checkUp(
  ctx: Pick<ActorContext, "get" | "now" | "signal">,
  members: readonly Member[],
  absent: readonly { node: string; why: string }[],
): Promise<CheckupReport> {
  const { signal } = ctx;
  const nodes = await Promise.all(members.map(async (member): Promise<NodeCheck> => {
    const { node } = member;
    try {
      const peers = members.filter((other) => other !== member);
      const answer = await ctx.get(memberActor, node)
        .examine({ peers }, { deadlineMs: EXAMINE_MS, signal });
      return { node, state: "examined", examination: examinationSchema.parse(answer) };
    } catch (error) {
      // A program that does not know the message says that nobody may send it, or that there is none.
      const old = hasCode(error, "unknown_message") || hasCode(error, "not_allowed");
      return old ? { node, state: "outdated" } : { node, state: "silent", why: because(error) };
    }
  }));
  const awake = members.filter((_, i) => nodes[i].state === "examined");
  const links: LinkCheck[] = [];
  const until = ctx.now() + LINKS_MS;
  for (const [i, { node: from }] of awake.entries()) {
    for (const peer of awake.slice(i + 1)) {
      const pair = { from, to: peer.node };
      if (ctx.now() > until || signal.aborted) {
        links.push({ ...pair, state: "left_out" });
        continue;
      }
      try {
        const answer = await ctx.get(memberActor, from)
          .probe({ peer }, { deadlineMs: LINK_MS, signal });
        links.push({ ...pair, state: "measured", ...linkReportSchema.parse(answer) });
      } catch (error) {
        links.push({ ...pair, state: "failed", why: because(error) });
      }
    }
  }
  const gone = absent.map(({ node, why }): NodeCheck => ({ node, state: "silent", why }));
  return { nodes: [...nodes, ...gone], links };
}
