/**
 * Which of the files that somebody chose make a model. Pure.
 *
 * @module
 */

/** Files that a checkpoint may have beside its weights, as the API takes them. */
const TEXTS = [
  "config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "generation_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "model.safetensors.index.json",
];

/**
 * @typedef {object} ModelFiles
 * @property {File[]} files Those to send: config.json first, so that an unknown model is refused at
 *   once, and the weights last.
 * @property {number} bytes
 * @property {number} left How many of the chosen files are not sent.
 * @property {string} name What the model may be called in the store.
 * @property {string} [lacks] What is missing, in words; undefined: nothing.
 */

/**
 * The model among the chosen files: a checkpoint folder's own files, those of folders within it left
 * out; GGUF files where it has no .safetensors.
 * @param {File[]} chosen @param {string} precision @returns {ModelFiles}
 */
export function modelFiles(chosen, precision) {
  const own = chosen.filter(isTop).sort(byName);
  const has = (/** @type {RegExp} */ form) => own.some(({ name }) => form.test(name));
  const gguf = has(/\.safetensors$/i)
    ? []
    : chosen.filter(({ name }) => /\.gguf$/i.test(name)).sort(byName);
  const files = gguf.length > 0 ? gguf : own;
  const lacks = gguf.length > 0 ? undefined : [
    ["config.json", /^config\.json$/],
    ["tokenizer.json", /^tokenizer\.json$/],
    ["a .safetensors file", /\.safetensors$/i],
  ].find(([, form]) => !has(form))?.[0];
  const folder = chosen[0]?.webkitRelativePath?.split("/")[0];
  const stem = gguf[0]?.name.replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "") || folder || "model";
  const ending = gguf.length > 0 && precision === "" ? "" : `-${precision || "q4"}`;
  return {
    files,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    left: chosen.length - files.length,
    name: `${stem.replaceAll(/[^A-Za-z0-9._~-]+/g, "-").slice(0, 120)}${ending}`,
    ...(lacks && { lacks }),
  };
}

/** Whether it is a checkpoint's file that lies in the chosen folder itself. */
const isTop = ({ name, webkitRelativePath: path = "" }) =>
  path.split("/").length <= 2 && (TEXTS.includes(name) || /\.safetensors$/i.test(name));

const place = ({ name }) => TEXTS.indexOf(name) < 0 ? TEXTS.length : TEXTS.indexOf(name);
const byName = (a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1);
