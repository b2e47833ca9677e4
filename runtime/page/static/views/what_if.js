/**
 * The wishes of a what-if question as sliders, and the changes that they mean.
 *
 * @module
 */
import { figure, ms, nodeNames } from "../lib/format.js";
import { html } from "../lib/html.js";
import { Icon } from "../lib/icons.js";

/** Nothing is different. Sliders of speed and bandwidth are powers of two. */
export const emptyWishes = {
  box: false,
  boxLike: "",
  boxSpeed: 0,
  boxLatency: 1,
  boxRate: 10,
  link: "",
  linkLatency: undefined,
  linkRate: undefined,
  pinHost: "",
  pinFirst: 0,
  pinLast: 0,
  exclude: "",
  prompt: undefined,
  output: undefined,
  concurrent: undefined,
};

/** The changes that these wishes mean; undefined: none. */
export function changesOf(wishes, base) {
  if (!base) return undefined;
  const changes = {};
  if (wishes.box) {
    const names = base.devices.map(({ host }) => host);
    let name = "new box";
    while (names.includes(name)) name += "'";
    changes.add = [{
      ...{ name, like: names.includes(wishes.boxLike) ? wishes.boxLike : names[0] },
      ...{ speed: 2 ** wishes.boxSpeed, latency_ms: wishes.boxLatency },
      mbit_per_s: 2 ** wishes.boxRate,
    }];
  }
  const link = base.links.find((one) => linkKey(one) === wishes.link);
  if (link && (wishes.linkLatency !== undefined || wishes.linkRate !== undefined)) {
    changes.links = [{
      ...{ from: link.from, to: link.to },
      ...(wishes.linkLatency !== undefined && { latency_ms: wishes.linkLatency }),
      ...(wishes.linkRate !== undefined && { mbit_per_s: 2 ** wishes.linkRate }),
    }];
  }
  if (wishes.pinHost !== "") {
    const [first, last] = [wishes.pinFirst, wishes.pinLast].sort((a, b) => a - b);
    changes.pin = [{ host: wishes.pinHost, first, last }];
  }
  if (wishes.exclude !== "") changes.exclude = [wishes.exclude];
  const workload = {
    ...(wishes.prompt !== undefined && { prompt_tokens: wishes.prompt }),
    ...(wishes.output !== undefined && { output_tokens: wishes.output }),
    ...(wishes.concurrent !== undefined && { concurrent: wishes.concurrent }),
  };
  if (Object.keys(workload).length > 0) changes.workload = workload;
  return Object.keys(changes).length > 0 ? changes : undefined;
}

const linkKey = ({ from, to }) => `${from} ${to}`;

/** See the module's text. */
export function WhatIfForm({ base, wishes, onChange }) {
  // Two changes may come before the next drawing: each is made to what the one before has left.
  const set = (/** @type {object} */ changed) =>
    onChange((/** @type {object} */ last) => ({ ...last, ...changed }));
  const { devices, links, workload, model } = base;
  const names = nodeNames(devices.map(({ host }) => host));
  const link = links.find((one) => linkKey(one) === wishes.link);
  const options = (/** @type {string} */ none) =>
    html`<option value="">${none}</option>${
      devices.map(({ host }) => html`<option value=${host}>${names.get(host)}</option>`)
    }`;
  const dirty = JSON.stringify(wishes) !== JSON.stringify(emptyWishes);
  return html`
    <div class="wishes">
      <fieldset>
        <legend><label class="check"><input type="checkbox" checked=${wishes.box}
            onChange=${(event) =>
              set({ box: event.target.checked })} /> One more box</label></legend>
        <label class="stacked">like <select value=${wishes.boxLike ||
          devices[0].host} disabled=${!wishes.box}
            onChange=${(event) => set({ boxLike: event.target.value })}>${devices.map(({ host }) =>
              html`<option value=${host}>${names.get(host)}</option>`
            )}</select></label>
        <${Slider} label="Speed" min="-3" max="4" step="0.5" value=${wishes.boxSpeed}
          disabled=${!wishes.box} text=${`${figure(2 ** wishes.boxSpeed)} ×`}
          onValue=${(boxSpeed) => set({ boxSpeed })} />
        <${Slider} label="Latency" min="0.1" max="50" step="0.1" value=${wishes.boxLatency}
          disabled=${!wishes.box} text=${ms(wishes.boxLatency)}
          onValue=${(boxLatency) => set({ boxLatency })} />
        <${Slider} label="Bandwidth" min="0" max="14" step="0.5" value=${wishes.boxRate}
          disabled=${!wishes.box} text=${rate(2 ** wishes.boxRate)}
          onValue=${(boxRate) => set({ boxRate })} />
      </fieldset>
      <fieldset disabled=${links.length === 0}>
        <legend>Another link</legend>
        <label class="stacked">between <select value=${wishes.link} onChange=${(event) =>
          set({ link: event.target.value, linkLatency: undefined, linkRate: undefined })}>
            <option value="">${links.length === 0
              ? "there is one node"
              : "as they are"}</option>${links.map((one) =>
                html`<option value=${linkKey(one)}>${names.get(one.from)} – ${
                  names.get(one.to)
                }</option>`
              )}</select></label>
        <${Slider} label="Latency" min="0.1" max="50" step="0.1" disabled=${!link}
          value=${wishes.linkLatency ?? link?.latency_ms ?? 1}
          text=${link ? ms(wishes.linkLatency ?? link.latency_ms) : "–"}
          onValue=${(linkLatency) => set({ linkLatency })} />
        <${Slider} label="Bandwidth" min="0" max="14" step="0.5" disabled=${!link}
          value=${wishes.linkRate ?? Math.log2(link?.mbit_per_s ?? 1024)}
          text=${link
            ? rate(wishes.linkRate === undefined ? link.mbit_per_s : 2 ** wishes.linkRate)
            : "–"}
          onValue=${(linkRate) => set({ linkRate })} />
      </fieldset>
      <fieldset>
        <legend>Pin layers</legend>
        <label
          class="stacked">on <select value=${wishes.pinHost} onChange=${(event) =>
            set({ pinHost: event.target.value })}>${options("nowhere")}</select></label>
        <${Slider} label="from layer" min="0" max=${model.layers - 1} step="1" value=${wishes
          .pinFirst}
          disabled=${wishes.pinHost === ""} text=${wishes.pinFirst}
          onValue=${(pinFirst) => set({ pinFirst, pinLast: Math.max(pinFirst, wishes.pinLast) })} />
        <${Slider} label="to layer" min="0" max=${model.layers - 1} step="1" value=${wishes.pinLast}
          disabled=${wishes.pinHost === ""} text=${wishes.pinLast}
          onValue=${(pinLast) => set({ pinLast, pinFirst: Math.min(pinLast, wishes.pinFirst) })} />
        <label class="stacked">Without <select value=${wishes
          .exclude} disabled=${devices.length < 2}
            onChange=${(event) => set({ exclude: event.target.value })}>${options(
              "nobody",
            )}</select></label>
      </fieldset>
      <fieldset>
        <legend>Other requests</legend>
        <${Slider} label="Prompt" min="1" max=${model.context - 1} step="1"
          value=${wishes.prompt ?? workload.prompt_tokens}
          text=${`${wishes.prompt ?? workload.prompt_tokens} tokens`}
          onValue=${(prompt) => set({ prompt })} />
        <${Slider} label="Answer" min="1" max=${model.context - 1} step="1"
          value=${wishes.output ?? workload.output_tokens}
          text=${`${wishes.output ?? workload.output_tokens} tokens`}
          onValue=${(output) => set({ output })} />
        <${Slider} label="At once" min="1" max="32" step="1"
          value=${wishes.concurrent ?? workload.concurrent}
          text=${wishes.concurrent ?? workload.concurrent}
          onValue=${(concurrent) => set({ concurrent })} />
        <button type="button" disabled=${!dirty} onClick=${() => onChange(emptyWishes)}>
            <${Icon} name="again" /> As it is</button>
      </fieldset>
    </div>
  `;
}

/** Megabits a second, with the unit that suits. */
const rate = (mbit) =>
  mbit === null
    ? "no limit"
    : mbit >= 1000
    ? `${figure(mbit / 1000)} Gbit/s`
    : `${figure(mbit)} Mbit/s`;

const Slider = ({ label, text, onValue, ...range }) =>
  html`<label class="slider"><span>${label}</span><span class="value">${text}</span>
    <input type="range" ...${range} aria-valuetext=${`${text}`}
      onInput=${(event) => onValue(event.target.valueAsNumber)} /></label>`;
