/**
 * Jinja templates as transformers renders them: the syntax is parsed by `@huggingface/jinja`, values
 * and operations are Python's, and texts know which of their characters came from the request.
 *
 * @module
 */
export { parseTemplate, type Template } from "./ast.ts";
export { runTemplate } from "./evaluate.ts";
export { globals } from "./globals.ts";
export { foreign, isText, MarkedText, marksOf, rawText, type Text } from "./marked_text.ts";
export { Dict, fromJson, type JinjaValue, TemplateError } from "./values.ts";
