/**
 * Adding a model: from the hub, from a folder, or from GGUF files of this machine.
 *
 * @module
 */
import { addFiles, addOfHub, stopAdding, useAdding } from "../lib/adding.js";
import { bytes, percent } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { modelFiles } from "../lib/model_files.js";

const SOURCES = [
  { name: "hub", title: "Hub" },
  { name: "folder", title: "Folder" },
  { name: "file", title: "GGUF file" },
];

/** Shows how far what this tab adds is; `others`: what somebody else adds. */
export function AddModel({ again, say, others }) {
  const [source, setSource] = useState("hub");
  const [precision, setPrecision] = useState("");
  const adding = useAdding();
  const busy = adding?.busy ?? false;
  const end = (/** @type {string} */ text) => {
    say(text);
    again();
  };
  const Form = source === "hub" ? OfHub : OfFiles;
  return html`
    <section class="card" aria-label="Add a model">
      <h2>Add a model from</h2>
      <div class="choices" role="group" aria-label="Where the model lies">${SOURCES.map((
        { name, title },
      ) =>
        html`
          <button key=${name} type="button" aria-pressed=${name === source}
            onClick=${() => setSource(name)}>${title}</button>
        `
      )}</div>
      <${Form} key=${source} source=${source} busy=${busy} end=${end}
        precision=${precision}>
          <label class="stacked">Weights
            <select value=${precision} onChange=${(event) => setPrecision(event.target.value)}>
              <option value="">${source === "file" ? "nearest to the file" : "q4"}</option>
              ${source === "file" && html`<option value="q4">q4</option>`}
              <option value="q4m">q4m</option><option value="q8">q8</option>
              <option value="f16">f16</option><option value="f32">f32</option></select></label>
        <//>
        ${adding
          ? html`<${Progress} state=${adding} />`
          : others && html`<${Others} state=${others} />`}
      </section>
  `;
}

/** The button that begins, or stops what runs. */
const Go = ({ busy, ready }) =>
  busy
    ? html`<button type="button" class="danger" onClick=${stopAdding}>
        <${Icon} name="stop" /> Stop</button>`
    : html`<button type="submit" class="primary" disabled=${!ready}>
        <${Icon} name="plus" /> Add</button>`;

function OfHub({ busy, end, precision, children }) {
  const [name, setName] = useState("");
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted === "" || busy) return;
    const model = precision && !wanted.endsWith(".gguf") ? `${wanted}:${precision}` : wanted;
    setName("");
    end(await addOfHub(model));
  };
  return html`
    <form class="toolbar" onSubmit=${add}>
      <label class="stacked grow">Name on the hub
        <input value=${name} placeholder="owner/name, or owner/name:file.gguf" required
          spellcheck="false" autocomplete="off" autocapitalize="off"
          onInput=${(event) => setName(event.target.value)} /></label>
      ${children}
      <${Go} busy=${busy} ready=${true} />
    </form>
  `;
}

/** The name that the API takes. */
const NAME = "(?!\\.+$)[A-Za-z0-9._~\\-]{1,128}";

function OfFiles({ source, busy, end, precision, children }) {
  const [chosen, choose] = useState(/** @type {File[]} */ ([]));
  const [named, setNamed] = useState("");
  const folder = source === "folder";
  const { files, bytes: size, left, name: usual, lacks } = modelFiles(chosen, precision);
  const name = named || (chosen.length > 0 ? usual : "");
  const ready = files.length > 0 && !lacks;
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!ready || busy) return;
    end(await addFiles(files, { name, precision }));
  };
  const pick = (/** @type {Event & {target: HTMLInputElement}} */ { target }) => {
    choose([...target.files]);
    setNamed("");
  };
  return html`
    <form class="toolbar" onSubmit=${add}>
      <label class="stacked grow">${folder
        ? "Checkpoint folder (config.json, tokenizer.json, .safetensors)"
        : "GGUF file, or all its parts"}
        ${folder
          ? html`<input type="file" webkitdirectory onChange=${pick} />`
          : html`<input type="file" accept=".gguf" multiple onChange=${pick} />`}</label>
      <label class="stacked">Name in the store
        <input value=${name} required pattern=${NAME} spellcheck="false" autocomplete="off"
          title="1 to 128 letters, digits, dots, underscores, tildes and hyphens"
          onInput=${(event) => setNamed(event.target.value)} /></label>
      ${children}
      <${Go} busy=${busy} ready=${ready} />
    </form>
    ${chosen.length > 0 &&
      html`<p class=${lacks ? "error" : "muted"} role="status">${
        lacks
          ? `The folder lacks ${lacks}.`
          : `${files.length} ${files.length === 1 ? "file" : "files"}, ${bytes(size)}${
            left === 0
              ? ""
              : `; ${left} ${left === 1 ? "other is" : "others are"} not part of the model`
          }. ${files.length === 1 ? "It goes" : "They go"} to this node alone.`
      }</p>`}
  `;
}

function Progress({ state }) {
  const { status, total, completed, busy, failed, isBytes, bytesPerS } = state;
  if (failed) return html`<p class="error" role="alert">${failed}</p>`;
  const share = total > 0 ? completed / total : undefined;
  const counted = share === undefined
    ? ""
    : isBytes
    ? `${bytes(completed)} of ${bytes(total)}${bytesPerS ? `, ${bytes(bytesPerS)}/s` : ""}`
    : percent(share);
  return html`<div class="progress">
    <p>${
    !busy && html`
      <${Icon} name="check" />
    `
  }${status}${
    busy && counted && html`
      <span class="muted">: ${counted}</span>
    `
  }</p>
    ${busy && html`<progress aria-label="Adding the model" max="1" value=${share}></progress>`}
  </div>`;
}

const Others = ({ state: { model, status, total, completed } }) =>
  html`<p class="notice">Somebody adds ${model} to this node: ${status}${
    total > 0 ? `, ${percent(completed / total)}` : ""
  }.</p>`;
