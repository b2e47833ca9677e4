/**
 * Models: what this node's store has; models are added, checked and removed.
 *
 * @module
 */
import { json, send } from "../lib/api.js";
import { bytes } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { usePoll } from "../lib/poll.js";
import { hashOf } from "../lib/route.js";
import { AddModel } from "./add_model.js";

/** See the module's text. @param {{say: (text: string) => void}} props */
export function Models({ say }) {
  const { value, error, again } = usePoll("/api/models", 5_000);
  return html`<div class="page">
    <header><h1>Models</h1>
      <p class="muted">The store of this node${
    value ? html`; its disk has ${bytes(value.free_bytes)} left` : ""
  }.</p></header>
    ${error && html`<p class="notice bad">${error.message}</p>`}
    <${AddModel} again=${again} say=${say} others=${value?.adding ?? undefined} />
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
          ${model.state === "ok" && !model.served &&
            html`
              <a class="button" href=${hashOf("deployments", { model: model.name })}
                aria-label=${`Deploy ${model.name}`}>Deploy</a>
            `}
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
