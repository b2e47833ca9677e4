/**
 * Where a question is written, and how it is to be answered.
 *
 * @module
 */
import { html, useLayoutEffect, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";

/** Modes of an answer, and what they mean. */
const MODES = [
  ["auto", "Auto: the node chooses"],
  ["plain", "Plain: token by token"],
  ["speculative", "Speculative: drafts, checked"],
  ["outline", "Outline: points at once"],
  ["outline+speculative", "Outline and drafts"],
];

/** See the module's text. */
export function Composer(props) {
  const { input, text, onText, onSend, onStop, busy, settings, names, onChange, onClear } = props;
  const [open, setOpen] = useState(false);
  useLayoutEffect(() => {
    const box = input.current;
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, innerHeight / 3)}px`;
  }, [text]);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && busy) onStop();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    onSend();
  };
  return html`
    <form class="composer" onSubmit=${(event) => {
      event.preventDefault();
      onSend();
    }}>
      <div class="field">
          <textarea ref=${input} rows="1" value=${text} placeholder="Ask something"
            aria-label="Your question" enterkeyhint="send"
            onInput=${(event) => onText(event.target.value)} onKeyDown=${onKeyDown}></textarea>
          ${busy
            ? html`
              <button class="round" type="button" onClick=${onStop} aria-label="Stop the answer"
                title="Stop (Esc)"><${Icon} name="stop" /></button>
            `
            : html`
              <button class="round" type="submit" disabled=${text.trim() === ""}
                aria-label="Send the question"><${Icon} name="send" /></button>
            `}
        </div>
      <div class="options">
          <label><span class="hidden">How to answer</span>
            <select value=${settings.mode} onChange=${(event) =>
              onChange({ mode: event.target.value })}>
              ${MODES.map(([mode, what]) =>
                html`<option value=${mode} selected=${mode === settings.mode}>${what}</option>`
              )}
            </select></label>
          <button type="button" class="quiet" aria-expanded=${open} aria-controls="chat-options"
            onClick=${() => setOpen(!open)}><${Icon} name="settings" /> More</button>
          ${onClear && html`<button type="button" class="quiet end" onClick=${onClear}>
        <${Icon} name="plus" /><span class="wide-only">New conversation</span><span class="narrow-only">New</span></button>`}
        </div>
      <div class="options more" id="chat-options" hidden=${!open}>
          ${names.length > 1 && html`<label>Model
        <select value=${settings.model} onChange=${(event) =>
            onChange({ model: event.target.value })}>
          <option value="default">default</option>
          ${names.map((name) => html`<option value=${name}>${name}</option>`)}
        </select></label>`}
          <${NumberField} label="Most tokens" min="1" max="100000" step="1" value=${settings
            .maxTokens}
            onValue=${(maxTokens) => onChange({ maxTokens })} />
          <${NumberField} label="Temperature" min="0" max="2" step="0.1" value=${settings
            .temperature}
            onValue=${(temperature) => onChange({ temperature })} />
        </div>
    </form>
  `;
}

/** A number that may be left out: then the model's own counts. */
const NumberField = ({ label, value, onValue, ...limits }) =>
  html`<label>${label}
    <input type="number" placeholder="model’s own" value=${value ?? ""} ...${limits}
      onChange=${(event) => {
    const { value: text, valueAsNumber, validity } = event.target;
    if (validity.valid) onValue(text === "" ? undefined : valueAsNumber);
  }} /></label>`;
