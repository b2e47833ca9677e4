/**
 * Errors as Ollama's clients expect them.
 *
 * @module
 */
import type { HttpError } from "../errors.ts";

/** The JSON body of an error; beside Ollama's text it has the project's `code`. */
export const ollamaError = ({ body: { error: { message, code } } }: HttpError) => ({
  error: message,
  code,
});
