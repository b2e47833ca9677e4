/**
 * An answer: its text or its branches, and how it was made.
 *
 * @module
 */
import { textOf } from "../lib/conversation.js";
import { figure, ms, percent } from "../lib/format.js";
import { html, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { Markdown } from "../lib/markdown.js";
import { hashOf } from "../lib/route.js";

/** @typedef {import("../lib/conversation.js").Turn} Turn */

/** @param {{turn: Turn, last: boolean, onAgain: () => void}} props */
export function Answer({ turn, last, onAgain }) {
  const { state, branches, text, reasoning } = turn;
  const empty = text === "" && !branches;
  return html`<article class="answer" data-state=${state}>
    ${
    reasoning && html`
      <details class="thought">
        <summary>Thought first</summary>
        <${Markdown} text=${reasoning} />
      </details>
    `
  }
    ${
    empty && state === "running" && html`<p class="waiting"><span class="dots"
      aria-hidden="true"><i></i><i></i><i></i></span> ${
      reasoning ? "Thinking" : "Reading the prompt"
    }</p>`
  }
    ${text !== "" && html`<${Markdown} text=${text} />`}
    ${branches && html`<${Branches} branches=${branches} live=${state === "running"} />`}
    ${empty && state === "stopped" && html`<p class="muted">Stopped before the first word.</p>`}
    ${state === "failed" && html`<p class="error" role="alert">${turn.error}</p>`}
    <${Made} turn=${turn} />
    ${
    state !== "running" && html`<div class="actions">
      <${CopyButton} text=${textOf(turn)} />
      ${
      last && html`<button class="quiet" type="button" onClick=${onAgain}>
        <${Icon} name="again" /> Ask again</button>`
    }
      ${
      turn.report?.generation &&
      html`<a class="button quiet" href=${
        hashOf("timeline", { request: turn.report.generation })
      }><${Icon} name="timeline" /> Its timeline</a>`
    }
    </div>`
  }
  </article>`;
}

/** Branches of an outline, side by side as they grow. */
function Branches({ branches, live }) {
  const most = Math.max(...branches.map((branch) => branch.length), 1);
  return html`<ol class="branches" aria-label="Branches of the outline">${
    branches.map((branch, at) => {
      const [title, body] = headed(branch, at);
      return html`
        <li class="branch" key=${at} data-live=${live}>
          <h3><span class="number">${at + 1}</span> ${title}</h3>
          <${Markdown} text=${body} />
          <span class="grown" aria-hidden="true"><i style=${{
            width: `${(100 * branch.length) / most}%`,
          }}></i></span>
        </li>
      `;
    })
  }</ol>`;
}

/** A branch's heading, which the node writes before its text ("2. Clouds: ..."), and the rest. */
function headed(text, at) {
  const found = /^\s*(\d+)\. ([^\n]*?): ?([\s\S]*)$/.exec(text);
  if (found && Number(found[1]) === at + 1) return [found[2], found[3]];
  return [`Point ${at + 1}`, text];
}

/** How the answer is being made, or was: figures of the node, while it runs those seen here. */
function Made({ turn }) {
  const { report, state, firstMs, shownMs, pieces = 0 } = turn;
  if (!report) {
    if (state !== "running" || firstMs === undefined) return null;
    const seconds = (shownMs - firstMs) / 1000;
    return html`<dl class="made"><${Figure} name="first text" value=${ms(firstMs)} />
      ${
      seconds > 0.2 &&
      html`<${Figure} name="pieces/s, seen here" value=${figure(pieces / seconds)} />`
    }</dl>`;
  }
  const { mode, route, why, tokens_per_s, ttft_ms, drafted, accepted, nodes, branches } = report;
  return html`
    <dl class="made">
          <${Figure} name="mode" value=${mode} strong />
          <${Figure} name="tokens/s" value=${figure(tokens_per_s)} strong />
          <${Figure} name="first token" value=${ms(ttft_ms)} />
          <${Figure} name="drafts accepted" value=${drafted > 0
            ? `${percent(accepted / drafted)} of ${drafted}`
            : "none drafted"} />
          ${branches > 0 && html`<${Figure} name="branches" value=${branches} />`}
          <${Figure} name="nodes" value=${nodes} />
          <${Figure} name="route" value=${route === "one" ? "one node" : route} />
          ${report.pauses > 0 &&
            html`<${Figure} name="paused" value=${`${report.pauses} × ${ms(report.paused_ms)}`} />`}
          ${turn.usage && html`<${Figure} name="tokens" value=${turn.usage.completion_tokens} />`}
          ${turn.finish === "length" &&
            html`<${Figure} name="ended" value="at the limit of tokens" />`}
        </dl>
    <p class="why"><span class="muted">Why: </span>${why}</p>
  `;
}

const Figure = ({ name, value, strong = false }) =>
  html`
    <div class=${strong ? "strong" : ""}>
      <dt>${name}</dt>
      <dd>${value}</dd>
    </div>
  `;

/** @param {{text: string}} props */
function CopyButton({ text }) {
  const [copied, setCopied] = useState(false);
  // A browser lets only pages of this machine or of HTTPS write to the clipboard.
  if (!navigator.clipboard || text === "") return null;
  const copy = async () => {
    await navigator.clipboard.writeText(text).then(() => setCopied(true), () => {});
    setTimeout(() => setCopied(false), 1_500);
  };
  return html`<button class="quiet" type="button" onClick=${copy}>
    <${Icon} name=${copied ? "check" : "copy"} /> ${copied ? "Copied" : "Copy"}</button>`;
}
