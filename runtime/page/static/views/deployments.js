/**
 * Deployments: what the cluster serves under which names; graph files are checked, applied, scaled
 * and deleted.
 *
 * @module
 */
import { json } from "../lib/api.js";
import { layersText, ms, nodeNames } from "../lib/format.js";
import { html, useRef, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { usePoll } from "../lib/poll.js";
import { scaledGraph } from "../lib/scaled_graph.js";

/** What the editor begins with. */
const EXAMPLE = `model: embedded

deployment: { min: 1, max: 1, idle: 300 s }
`;

/** Milliseconds in which a file is planned. */
const PLAN_MS = 300_000;

const pathOf = (/** @type {string} */ name) => `/api/deployments/${encodeURIComponent(name)}`;

/** What the editor has for a model of the store. @param {string} model */
const draftOf = (model) => ({
  name: model.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-").slice(0, 63)
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, ""),
  graph: EXAMPLE.replace("embedded", JSON.stringify(model)),
});

/**
 * See the module's text. `query.model` names a model of the store to deploy.
 * @param {{say: (text: string) => void, query: Record<string, string>}} props
 */
export function Deployments({ say, query }) {
  const { value, error, again } = usePoll("/api/deployments", 2_000);
  const [draft, setDraft] = useState(() =>
    query.model ? draftOf(query.model) : { name: "", graph: EXAMPLE }
  );
  const deployments = value?.deployments ?? [];
  const nodes = deployments.flatMap(({ copies }) =>
    copies.flatMap(({ stages = [] }) => stages.map(({ node }) => node))
  );
  const names = nodeNames([...new Set(nodes)]);
  const editor = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const edit = (/** @type {any} */ deployment) => {
    setDraft({ name: deployment.name, graph: deployment.graph });
    editor.current?.focus();
  };
  return html`<div class="page">
    <header><h1>Deployments</h1>
      <p class="muted">What the cluster serves, and under which names clients ask for it.</p></header>
    ${error && html`<p class="notice bad">${error.message}</p>`}
    <ul class="deployments">${
    deployments.map((deployment) =>
      html`<${Deployment} key=${deployment.name} ...${{ deployment, names, again, say, edit }} />`
    )
  }</ul>
    <${Apply} ...${{ draft, setDraft, again, say, editor }} />
  </div>`;
}

/** One deployment with its copies. */
function Deployment({ deployment, names, again, say, edit }) {
  const { name, model, copies, policy, rolling, rolled_back, graph } = deployment;
  const [failed, setFailed] = useState("");
  const [sure, ask] = useState(false);
  const [busy, setBusy] = useState(false);
  const run = async (/** @type {string} */ done, /** @type {() => Promise<unknown>} */ work) => {
    setBusy(true);
    setFailed("");
    try {
      await work();
      say(done);
    } catch (error) {
      setFailed(error.message);
    }
    setBusy(false);
    ask(false);
    again();
  };
  const scale = (/** @type {number} */ to) =>
    run(`${name} is being scaled to ${to}`, () => {
      const body = { graph: scaledGraph(graph, to), file: `${name}.yaml` };
      return json(pathOf(name), { method: "PUT", body, deadlineMs: 60_000 });
    });
  return html`<li class="card"><div class="row"><h2 class="grow">${name}
      <span class="muted mono"> ${model}</span>
      ${
    rolling && html`
      <span class="pill">rolling out</span>
    `
  }</h2>
    ${
    graph && html`<div class="buttons">
      <span class="stepper" role="group" aria-label=${`Copies of ${name}`}>
        <button type="button" disabled=${busy || policy.max <= 1} aria-label="One copy fewer"
          onClick=${() => scale(policy.max - 1)}>−</button>
        <output>${policy.min === policy.max ? policy.max : `${policy.min}–${policy.max}`} ${
      policy.max === 1 ? "copy" : "copies"
    }</output>
        <button type="button" disabled=${busy} aria-label="One copy more"
          onClick=${() => scale(policy.max + 1)}>+</button></span>
      <button type="button" onClick=${() => edit(deployment)}><${Icon} name="edit" /> Edit</button>
      ${
      sure
        ? html`<button type="button" class="danger" disabled=${busy} onClick=${() =>
          run(`${name} is deleted`, () => json(pathOf(name), { method: "DELETE" }))}>
          Delete ${name}</button><button type="button" onClick=${() => ask(false)}>Keep</button>`
        : html`<button type="button" onClick=${() => ask(true)} aria-label=${`Delete ${name}`}>
          <${Icon} name="trash" /> Delete</button>`
    }</div>`
  }</div>
    ${
    rolled_back && html`<p class="notice bad">The last change was rolled back: ${rolled_back}</p>`
  }
    ${failed && html`<p class="error" role="alert">${failed}</p>`}
    <ul class="copies">${
    copies.map((copy) =>
      html`<li key=${copy.copy}><span class="pill" data-state=${copy.state}>${copy.state}</span>
      ${
        copies.length > 1 && html`
          <strong>copy ${copy.copy}</strong>
        `
      }
      <span>${
        (copy.stages ?? []).map(({ node, first, last }) =>
          `${layersText(first, last)} on ${names.get(node)}`
        ).join(", ")
      }</span>
      ${
        copy.reason && html`
          <span class="muted">${copy.reason}</span>
        `
      }
      ${
        copy.loaded_ms && html`
          <span class="muted">loaded in ${ms(copy.loaded_ms)}</span>
        `
      }</li>`
    )
  }</ul></li>`;
}

/** Where a graph file is written or opened, checked and applied. */
function Apply({ draft, setDraft, again, say, editor }) {
  const [state, setState] = useState(/** @type {any} */ (undefined));
  const { name, graph } = draft;
  const send = async (/** @type {boolean} */ dry) => {
    if (name === "") return setState({ failed: "Give the deployment a name first." });
    setState({ busy: dry ? "Planning …" : "Applying …" });
    const body = { graph, file: `${name}.yaml` };
    try {
      const path = `${pathOf(name)}${dry ? "?dry_run=true" : ""}`;
      const answer = await json(path, { method: "PUT", body, deadlineMs: PLAN_MS });
      setState(dry ? { plan: answer } : { done: `${name} is being deployed.` });
      say(dry ? "The file is valid" : `${name} is being deployed`);
    } catch (error) {
      setState({ failed: error.message, at: placeIn(error.message, body.file) });
    }
    again();
  };
  const open = async (/** @type {Event} */ event) => {
    const [file] = event.target.files;
    if (!file) return;
    setDraft({ name: name || file.name.replace(/\.\w+$/, ""), graph: await file.text() });
    event.target.value = "";
  };
  const show = () => {
    const { line, column } = state.at;
    const box = editor.current;
    const start = graph.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0) +
      column - 1;
    const end = graph.indexOf("\n", start);
    box.focus();
    box.setSelectionRange(start, end < 0 ? graph.length : Math.max(end, start + 1));
  };
  return html`<section class="card" aria-label="Apply a graph file"><h2>Apply a graph file</h2>
    <form onSubmit=${(event) => {
    event.preventDefault();
    void send(false);
  }}>
    <div class="toolbar">
      <label class="stacked">Name<input value=${name} required maxlength="64" spellcheck="false"
        onInput=${(event) => setDraft({ name: event.target.value, graph })} /></label>
      <label class="file"><span>Open a file</span>
        <input type="file" accept=".yaml,.yml,.json" onChange=${open} /></label>
    </div>
    <${Editor} text=${graph} input=${editor} at=${state?.at}
      onText=${(text) => setDraft({ name, graph: text })} />
    <div class="buttons">
      <button class="primary" type="submit" disabled=${state?.busy}>Apply</button>
      <button type="button" disabled=${state?.busy} onClick=${() =>
    send(true)}>Check and plan</button>
    </div></form>
    ${state?.busy && html`<p class="muted" role="status">${state.busy}</p>`}
    ${state?.done && html`<p role="status"><${Icon} name="check" /> ${state.done}</p>`}
    ${state?.plan && html`<${Planned} answer=${state.plan} />`}
    ${
    state?.failed &&
    html`<div class="notice bad" role="alert"><p class="problem">${state.failed}</p>
      ${
      state.at && html`<button type="button" class="quiet" onClick=${show}>
        Show line ${state.at.line}</button>`
    }</div>`
  }
  </section>`;
}

/** The first line and column that an error names, from 1: `file.yaml:3:5: ...`. */
function placeIn(text, file) {
  const at = text.indexOf(`${file}:`);
  const found = at < 0 ? null : /^:(\d+)(?::(\d+))?/.exec(text.slice(at + file.length));
  return found ? { line: Number(found[1]), column: Number(found[2] ?? 1) } : undefined;
}

/** A text with line numbers. */
function Editor({ text, input, at, onText }) {
  const numbers = useRef(/** @type {HTMLElement | null} */ (null));
  const count = text.split("\n").length;
  return html`
    <div class="editor">
      <ol ref=${numbers} aria-hidden="true">${Array.from(
        { length: count },
        (_, i) => html`<li class=${at?.line === i + 1 ? "wrong" : ""}>${i + 1}</li>`,
      )}</ol>
      <textarea ref=${input} aria-label="Graph file" spellcheck="false" autocapitalize="off"
        wrap="off"
        rows=${Math.min(24, Math.max(8, count + 1))} value=${text} aria-invalid=${at !== undefined}
        onScroll=${(event) => numbers.current.scrollTop = event.target.scrollTop}
        onInput=${(event) => onText(event.target.value)}></textarea>
    </div>
  `;
}

/** Where a checked file would be placed. */
const Planned = ({ answer: { stages, plan } }) =>
  html`
    <div class="notice"
      role="status"><p><strong>The file is valid.</strong> It would run ${stages.map((
        { node, first, last },
      ) => `${layersText(first, last)} on ${node}`).join(", ")}.</p>${plan &&
        html`<p class="muted">First token after ${ms(1000 * plan.predicted.ttft_s)}, then ${
          plan.predicted.tokens_per_s.toFixed(0)
        } tokens/s, by the plan.</p>`}</div>
  `;
