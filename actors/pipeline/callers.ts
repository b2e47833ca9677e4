/**
 * Who on other nodes may send what to the actors of a pipeline.
 *
 * An arena holds rows of requests. Its name begins with the key of the arbiter that made it, so a
 * stage knows without asking whose it is: only that arbiter may run frames in it, and only that
 * arbiter gets what comes of them.
 *
 * @module
 */
import {
  type Address,
  address,
  type CallerRule,
  fieldOf,
  parseAddress,
  type RemoteMessage,
} from "../system/mod.ts";

/** Kind of the actors that own arenas (`arbiter/actor.ts`). */
const ARBITER = "arbiter";
/** Kind of the actors that ask for drafts (`generation/actor.ts`). */
const GENERATION = "generation";
/** Characters of an arbiter's key in the names of its arenas, which are 128 long at most. */
const KEY_CHARS = 96;

/** The name of an arena: the key of its arbiter, and what tells it from the arbiter's others. */
export const arenaName = (key: string, incarnation: string, count: number): string =>
  `${key.slice(0, KEY_CHARS)}.${incarnation}.${count}`;

/** Address of the arbiter of a deployment that owns the arena of this name; undefined: nobody can. */
export function ownerOf(arena: string, deployment: string): Address | undefined {
  const [, key] = /^(.*)\.[^.]*\.[^.]*$/.exec(arena) ?? [];
  return key === undefined || key === "" || key.length >= KEY_CHARS
    ? undefined
    : address(deployment, ARBITER, key);
}

/** Whether the arbiter at `from`, of this deployment, owns the arena of this name. */
function ownsArena(from: string, arena: unknown, deployment: string): boolean {
  if (from === "" || typeof arena !== "string") return false;
  const arbiter = parseAddress(from);
  if (arbiter.kind !== ARBITER || arbiter.deployment !== deployment) return false;
  const count = arena.lastIndexOf(".");
  const incarnation = count > 0 ? arena.lastIndexOf(".", count - 1) : -1;
  return incarnation > 0 && arena.slice(0, incarnation) === arbiter.key.slice(0, KEY_CHARS);
}

/** Whether results go to the arbiter that owns the arena; `replyTo` was not checked. */
function answersOwner(replyTo: unknown, arena: unknown, deployment: string): boolean {
  try {
    return typeof replyTo === "string" && ownsArena(replyTo, arena, deployment);
  } catch {
    return false; // no address
  }
}

/** Whether the sender is a stage of the deployment of the actor that gets the message. */
export function isStageOf({ from, to }: Pick<RemoteMessage, "from" | "to">): boolean {
  if (from === "") return false;
  const sender = parseAddress(from);
  return sender.kind === "stage" && sender.deployment === parseAddress(to).deployment;
}

/** The arbiter that owns the arena that the message names. */
export const arenaOwner: CallerRule = {
  who: "the arbiter that owns the arena",
  allows: ({ from, to, body }) =>
    ownsArena(from, fieldOf(body, "arena"), parseAddress(to).deployment),
};

/** For `frame`: the actor before this stage; results go to the owner of the arena. */
export const frameSender: CallerRule = {
  who: "the stage before it; to the first stage, the arbiter that owns the arena",
  allows(call) {
    const { from, to, body } = call;
    const { deployment, key } = parseAddress(to);
    const layout = fieldOf(body, "layout");
    const arena = fieldOf(body, "arena");
    if (layout !== undefined && !answersOwner(fieldOf(layout, "reply_to"), arena, deployment)) {
      return false;
    }
    const index = Number(key);
    if (!(index > 0)) return ownsArena(from, arena, deployment); // the first stage, or `solo`
    return from === `${deployment}/stage/${index - 1}`;
  },
};

/** For `rebuild`: the arbiter that owns the arena, which also gets what comes of it. */
export const rebuilder: CallerRule = {
  who: "the arbiter that owns the arena",
  allows(call) {
    const { from, to, body } = call;
    const { deployment } = parseAddress(to);
    const layout = fieldOf(body, "layout");
    const arena = fieldOf(body, "arena");
    return ownsArena(from, arena, deployment) &&
      (layout === undefined || answersOwner(fieldOf(layout, "reply_to"), arena, deployment));
  },
};

/** For `normed`: a stage of the deployment; results go to the owner of the arena. */
export const normedSender: CallerRule = {
  who: "a stage of its deployment, for the arbiter that owns the arena",
  allows: (call) =>
    isStageOf(call) &&
    answersOwner(
      fieldOf(call.body, "reply_to"),
      fieldOf(call.body, "arena"),
      parseAddress(call.to).deployment,
    ),
};

/** A Generation, of any request: it looks whether a stage is loaded, and has it loaded. */
export const aGeneration: CallerRule = {
  who: "a Generation",
  allows: ({ from }) => from !== "" && parseAddress(from).kind === GENERATION,
};

/** For a drafter: the Generation whose chain the message names, which also gets the answer. */
export const chainOwner: CallerRule = {
  who: "the Generation that owns the chain",
  allows({ from, body }) {
    if (from === "" || parseAddress(from).kind !== GENERATION) return false;
    const chain = fieldOf(body, "chain");
    const replyTo = fieldOf(body, "reply_to");
    return typeof chain === "string" && chain.startsWith(`${from}/`) &&
      (replyTo === undefined || replyTo === from);
  },
};
