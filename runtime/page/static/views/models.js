/**
 * Models: what this node's store has; models of the hub are added, checked and removed.
 *
 * @module
 */
import { json, lines, send } from "../lib/api.js";
import { bytes, percent } from "../lib/format.js";
import { html, useRef, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { usePoll } from "../lib/poll.js";

/** See the module's text. @param {{say: (text: string) => void}} props */
export function Models({ say }) {
  const { value, error, again } = usePoll("/api/models", 5_000);
  return html`<div class="page">
    <header><h1>Models</h1>
      <p class="muted">The store of this node${
    value ? html`; its disk has ${bytes(value.free_bytes)} left` : ""
  }.</p></header>
    ${error && html`<p class="notice bad">${error.message}</p>`}
    <${Add} again=${again} say=${say} />
    <section class="card" aria-label="Stored models"><h2>Stored</h2>
      ${value?.models.length === 0 && html`<p class="muted">Nothing is stored yet.</p>`}
      <ul class="rows">${
    (value?.models ?? []).map((model) =>
      html`<${Stored} key=${model.name} model=${model} again=${again} say=${say} />`
    )
  }</ul>
    </section>
  </div>`;
}

/** Adds a model of the hub, and shows how far it is. */
function Add({ again, say }) {
  const [name, setName] = useState("");
  const [precision, setPrecision] = useState("");
  const [state, setState] = useState(/** @type {any} */ (undefined));
  const running = useRef(/** @type {AbortController | undefined} */ (undefined));
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted === "" || state?.busy) return;
    const model = precision && !wanted.endsWith(".gguf") ? `${wanted}:${precision}` : wanted;
    const stop = running.current = new AbortController();
    let last = { busy: true, status: "asking the node", steps: [] };
    setState(last);
    try {
      const response = await send("/api/pull", { body: { model }, signal: stop.signal });
      for await (const line of lines(response)) {
        if (line.trim() === "") continue;
        const step = JSON.parse(line);
        if (step.error) throw new Error(step.error);
        last = { ...last, ...step, total: step.total, completed: step.completed };
        setState(last);
      }
      setState({ ...last, busy: false, done: true, status: `${model} is stored` });
      say(`${model} is stored`);
      setName("");
    } catch (error) {
      const text = stop.signal.aborted
        ? "Stopped. What has arrived is kept for the next time."
        : error.message;
      setState({ ...last, busy: false, failed: text });
      say(text);
    }
    again();
  };
  return html`<section class="card" aria-label="Add a model"><h2>Add a model</h2>
    <form class="toolbar" onSubmit=${add}>
      <label class="stacked grow">Name on the hub
        <input value=${name} placeholder="owner/name, or owner/name:file.gguf" required
          spellcheck="false" autocomplete="off" autocapitalize="off"
          onInput=${(event) => setName(event.target.value)} /></label>
      <label class="stacked">Weights
        <select value=${precision} onChange=${(event) => setPrecision(event.target.value)}>
          <option value="">q4</option><option value="q8">q8</option>
          <option value="f16">f16</option><option value="f32">f32</option></select></label>
      ${
    state?.busy
      ? html`<button type="button" class="danger" onClick=${() => running.current?.abort()}>
          <${Icon} name="stop" /> Stop</button>`
      : html`<button type="submit" class="primary"><${Icon} name="plus" /> Add</button>`
  }
    </form>
    ${state && html`<${Progress} state=${state} />`}
    <details><summary>From a folder or a file</summary>
      <p class="muted">The API reads no files of its machine. There, run</p>
      <pre tabindex="0"><code>deno task models add /path/to/checkpoint
deno task models add /path/to/model.gguf</code></pre></details>
  </section>`;
}

function Progress({ state: { status, total, completed, busy, done, failed } }) {
  if (failed) return html`<p class="error" role="alert">${failed}</p>`;
  const share = total > 0 ? completed / total : undefined;
  return html`<div class="progress">
    <p>${
    done && html`
      <${Icon} name="check" />
    `
  }${status}${
    busy && share !== undefined && html`
      <span class="muted">${percent(share)}${total > 1e6 ? ` of ${bytes(total)}` : ""}</span>
    `
  }</p>
    ${
    busy && html`<progress aria-label="Adding the model" max="1" value=${share}></progress>`
  }</div>`;
}

/** A model of the store. */
function Stored({ model, again, say }) {
  const [state, setState] = useState(/** @type {any} */ (undefined));
  const [sure, ask] = useState(false);
  const run = async (/** @type {string} */ what, /** @type {() => Promise<string>} */ work) => {
    setState({ busy: what });
    try {
      const text = await work();
      setState({ text });
      say(text);
    } catch (error) {
      setState({ error: error.message });
    }
    ask(false);
    again();
  };
  const path = `/api/models/${encodeURIComponent(model.name)}/verify`;
  const verify = () =>
    run("Hashing every file again …", async () => {
      const { problems } = await json(path, { method: "POST", deadlineMs: 600_000 });
      if (problems.length === 0) return "Every file has its hash.";
      const [{ role, problem }] = problems;
      return `${problems.length} files are missing or changed, the first is ${role} (${problem}).`;
    });
  const remove = () =>
    run("Removing …", async () => {
      await send("/api/delete", { method: "DELETE", body: { model: model.name } });
      return "Removed.";
    });
  const facts = model.state === "ok"
    ? [
      model.architecture,
      `${model.layers} layers`,
      `${(model.parameters / 1e6).toFixed(model.parameters < 1e8 ? 2 : 0)} M weights`,
      model.precision,
      bytes(model.bytes),
      `context ${model.context}`,
    ].join(" · ")
    : model.reason;
  return html`
    <li>
      <div class="grow"><h3>${model.name}
          ${model.served && html`
            <span class="pill good">served</span>
          `}
          ${model.state !== "ok" && html`
            <span class="pill bad">broken</span>
          `}</h3>
          <p class="muted">${facts}</p>
          ${state?.busy && html`<p class="muted" role="status">${state.busy}</p>`}
          ${state?.text && html`<p role="status">${state.text}</p>`}
          ${state?.error && html`<p class="error" role="alert">${state.error}</p>`}</div>
      <div class="buttons">
          <button type="button" disabled=${state?.busy} onClick=${verify}
            aria-label=${`Verify ${model.name}`}>Verify</button>
          ${sure
            ? html`
              <button type="button" class="danger" onClick=${remove}>Remove for good</button>
              <button type="button" onClick=${() => ask(false)}>Keep</button>
            `
            : html`
              <button type="button" disabled=${state?.busy || model.served} onClick=${() =>
                ask(true)}
                aria-label=${`Remove ${model.name}`}>Remove</button>
            `}
        </div>
    </li>
  `;
}
