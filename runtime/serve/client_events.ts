/**
 * What a generation tells its client, as the API's events.
 *
 * @module
 */
import {
  type ClientMessage,
  clientMessageSchema,
  type Done,
  type Inbox,
  invalidMessage,
  OrreryError,
  type Received,
} from "../../actors/mod.ts";
import type { GenerationEvent } from "../api/mod.ts";

/** The generation has failed, and has released what it held. */
export class GenerationFailed extends Error {
  override readonly name = "GenerationFailed";

  /** `error`: why it failed. */
  constructor(readonly error: OrreryError) {
    super(error.message);
  }
}

/**
 * The events of the generation whose client is `inbox`, until the inbox is closed; `onDone` gets
 * the generation's last message before its event is yielded. Throws {@linkcode GenerationFailed},
 * the signal's reason, or group `actor`, code `invalid_message`.
 */
export async function* clientEvents(
  inbox: Inbox,
  signal: AbortSignal,
  onDone: (done: Done) => void,
): AsyncIterable<GenerationEvent> {
  for (let next = await inbox.next(signal); next; next = await inbox.next(signal)) {
    const message = parsed(inbox.address, next);
    if (message.type === "failed") throw new GenerationFailed(OrreryError.fromWire(message.error));
    if (message.type === "done") onDone(message);
    yield eventOf(message);
  }
}

function parsed(client: string, { type, body }: Received): ClientMessage {
  const result = clientMessageSchema.safeParse({ ...body as object, type });
  if (result.success) return result.data;
  throw invalidMessage(client, type, result.error.issues[0]);
}

function eventOf(message: Exclude<ClientMessage, { type: "failed" }>): GenerationEvent {
  if (message.type === "delta" || message.type === "prompt") return message;
  return {
    type: "done",
    finishReason: message.finish,
    usage: {
      promptTokens: message.prompt_tokens,
      completionTokens: message.completion_tokens,
      ...(message.cached_tokens && { cachedTokens: message.cached_tokens }),
    },
    timings: { ttftMs: message.ttft_ms, tpotMs: message.tpot_ms },
    report: message.orrery,
  };
}
