/**
 * Responses of `POST /v1/completions`.
 *
 * @module
 */
import type { AnswerNames } from "../answer_names.ts";
import type { AnswerPart, ChoiceEvent, Wording } from "../dialect.ts";
import type { GeneratedToken } from "../generator.ts";
import { SSE_TYPE } from "../sse.ts";
import { ChunkWriter } from "./chunks.ts";
import { answerHead, usageOf } from "./usage.ts";

/** What a response depends on beside the answer. */
export interface CompletionsWordsInit {
  /** Text before the answers to each prompt; empty: none; undefined: that of its tokens. */
  echoes: (string | undefined)[];
  /** Does an answer begin with the prompt's tokens? */
  tokensToo: boolean;
  /** Answers to return for each prompt. */
  n: number;
  /** Answers that are generated for each prompt; of more than `n`, the most likely are returned. */
  generated: number;
  /** Does the request ask for log-probabilities? */
  logprobs: boolean;
  /** End a stream with a chunk that has the usage? */
  includeUsage: boolean;
  /** The service tier that was asked for, if any. */
  tier?: string | null;
}

/** The `logprobs` field of a choice; `offset`: characters before the first of the tokens. */
function logprobsOf(tokens: GeneratedToken[], offset: number) {
  return {
    tokens: tokens.map((token) => token.text),
    // The first token of a prompt has none.
    token_logprobs: tokens.map((token) => token.logprob ?? null),
    top_logprobs: tokens.map((token) =>
      token.top
        ? Object.fromEntries(token.top.map(([, logprob], i) => [token.topText?.[i] ?? "", logprob]))
        : null
    ),
    text_offset: tokens.map((token) => {
      const start = offset;
      offset += token.text.length;
      return start;
    }),
  };
}

/** What stands before an answer: the prompt's text, else that of its tokens. */
const echoOf = (echo: string | undefined, tokens: GeneratedToken[]): string =>
  echo ?? tokens.map(({ text }) => text).join("");

/** Mean log-probability of an answer's tokens; an answer without tokens is the least likely. */
function likelihood({ tokens }: AnswerPart): number {
  if (tokens.length === 0) return -Infinity;
  return tokens.reduce((sum, { logprob = 0 }) => sum + logprob, 0) / tokens.length;
}

/** The `n` most likely of one prompt's answers, as they came where all are wanted. */
const best = (parts: AnswerPart[], n: number): AnswerPart[] =>
  parts.length === n ? parts : parts.toSorted((a, b) => likelihood(b) - likelihood(a)).slice(0, n);

/** Words the answers of one completions request. */
export function completionsWording(init: CompletionsWordsInit): Wording {
  const { echoes, n, generated } = init;
  const head = (model: string, names: AnswerNames) =>
    answerHead({ prefix: "cmpl-", names, object: "text_completion", model, tier: init.tier });
  return {
    streamType: SSE_TYPE,
    whole: ({ model, parts, totals, names }) => ({
      ...head(model, names),
      choices: echoes.flatMap((echo, prompt) =>
        best(parts.slice(prompt * generated, (prompt + 1) * generated), n)
          .map(({ text, tokens, prompt: before, finishReason }) => ({
            text: echoOf(echo, before) + text,
            logprobs: init.logprobs
              ? logprobsOf([...before, ...tokens], before.length > 0 ? 0 : echo?.length ?? 0)
              : null,
            finish_reason: finishReason,
          }))
      ).map((choice, index) => ({ index, ...choice })),
      usage: usageOf(totals),
      orrery: totals.report,
    }),
    stream: (model, names) => {
      /** Characters of each choice so far. */
      const offsets = echoes.flatMap((echo) =>
        Array<number>(n).fill(init.tokensToo ? 0 : echo?.length ?? 0)
      );
      return new ChunkWriter({
        head: head(model, names),
        choices: offsets.length,
        includeUsage: init.includeUsage,
        entries: ({ index, event }: ChoiceEvent) => {
          if (event.type === "done") {
            return [{ index, text: "", logprobs: null, finish_reason: event.finishReason }];
          }
          const echo = echoes[Math.floor(index / n)];
          if (event.type === "started") {
            if (init.tokensToo || !echo) return [];
            return [{ index, text: echo, logprobs: null, finish_reason: null }];
          }
          if (event.type === "prompt") {
            const logprobs = init.logprobs ? logprobsOf(event.tokens, 0) : null;
            for (const token of event.tokens) offsets[index] += token.text.length;
            return [{ index, text: echoOf(echo, event.tokens), logprobs, finish_reason: null }];
          }
          if (event.type !== "delta" || (event.text === "" && !init.logprobs)) return [];
          const { text, tokens, branch } = event;
          const logprobs = init.logprobs ? logprobsOf(tokens, offsets[index]) : null;
          for (const token of tokens) offsets[index] += token.text.length;
          return [{
            ...{ index, text, logprobs, finish_reason: null },
            ...(branch !== undefined && { orrery: { branch } }),
          }];
        },
      });
    },
  };
}
