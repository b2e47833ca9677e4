/**
 * Whether a model's tokenizer, chat template and scope can be used: what `add` accepts, a node serves.
 *
 * @module
 */
import type { Geometry } from "../manifest.ts";
import { modelError } from "../errors.ts";
import { OrreryError } from "../../actors/system/errors.ts";
import { parseJson } from "../files.ts";
import { join } from "node:path";
import { ChatTemplate, ModelScope, Tokenizer } from "../text/mod.ts";

/** A text that every tokenizer has tokens for. */
const SAMPLE = "One orbit takes 365 days.";

/**
 * Reads tokenizer, template and scope as a node would and encodes a short text. Throws OrreryError
 * `model/`: `tokenizer_malformed`, `tokenizer_too_large` where the text has tokens that the model
 * has no row for, `chat_template_malformed`,
 * `generation_config_malformed`, `file_malformed`.
 */
export function checkTexts(
  texts: ReadonlyMap<string, Uint8Array>,
  { vocab }: Pick<Geometry, "vocab">,
  folder: string,
): void {
  const json = (file: string): unknown => {
    const bytes = texts.get(file);
    return bytes ? parseJson(bytes, join(folder, file)) : undefined;
  };
  const config = json("tokenizer_config.json") ?? {};
  const file = join(folder, "tokenizer.json");
  const tokenizer = Tokenizer.fromJson(json("tokenizer.json"), config, file);
  if (!canEncode(tokenizer)) {
    throw modelError(
      "tokenizer_malformed",
      `${file} has no tokens for ${JSON.stringify(SAMPLE)}: its vocabulary is empty or incomplete`,
      { file },
    );
  }
  const tokens = tokenizer.baseSize;
  if (tokens > vocab) {
    throw modelError(
      "tokenizer_too_large",
      `${folder}: tokenizer.json has tokens up to id ${
        tokens - 1
      }, the model has rows for ids up ` +
        `to ${vocab - 1}; it belongs to another model`,
      { tokens, vocab },
    );
  }
  const template = texts.get("chat_template.jinja");
  ChatTemplate.fromConfig(config, template && new TextDecoder().decode(template)).check();
  ModelScope.fromConfig(json("generation_config.json"), join(folder, "generation_config.json"));
}

function canEncode(tokenizer: Tokenizer): boolean {
  try {
    return tokenizer.encode(SAMPLE, { addSpecialTokens: false }).length > 0;
  } catch (error) {
    if (error instanceof OrreryError && error.code === "text_not_encodable") return false;
    throw error;
  }
}
