/**
 * Chat: the conversation, and where the next question is written.
 *
 * @module
 */
import { ask, cutTurns, stopAnswer, useTurns } from "../lib/conversation_store.js";
import { html, useCallback, useEffect, useRef, useState } from "../lib/html.js";
import { Icon } from "../lib/icons.js";
import { usePoll } from "../lib/poll.js";
import { Answer } from "./chat_answer.js";
import { Composer } from "./chat_composer.js";

/** Questions to begin with; the embedded model knows their topics. */
const EXAMPLES = [
  { text: "Why does it rain?", mode: "auto", what: "one answer, streamed" },
  { text: "How do bees make honey?", mode: "outline", what: "an outline, in branches" },
  { text: "What is a volcano?", mode: "speculative", what: "drafts, checked by the model" },
];

const SETTINGS = "orrery.chat";

/** @returns {{mode: string, model: string, maxTokens?: number, temperature?: number}} */
function keptSettings() {
  const usual = { mode: "auto", model: "default" };
  try {
    return { ...usual, ...JSON.parse(localStorage.getItem(SETTINGS) ?? "{}") };
  } catch {
    return usual;
  }
}

/**
 * See the module's text. `say` tells screen readers; `query.answer` is the generation of the answer
 * to show, the last one where there is none.
 * @param {{say: (text: string) => void, query: Record<string, string>}} props
 */
export function Chat({ say, query }) {
  const turns = useTurns();
  const [settings, setSettings] = useState(keptSettings);
  const [draft, setDraft] = useState("");
  const models = usePoll("/v1/models", 10_000);
  const busy = turns.at(-1)?.state === "running";
  const names = (models.value?.data ?? []).map((/** @type {any} */ model) => model.id);
  const model = names.includes(settings.model) ? settings.model : "default";
  const input = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const sought = turns.findIndex(({ report }) =>
    query.answer !== undefined && report?.generation === query.answer
  );
  const scroller = useFollow(turns, sought);

  const change = useCallback((/** @type {object} */ changed) => {
    setSettings((last) => {
      const next = { ...last, ...changed };
      localStorage.setItem(SETTINGS, JSON.stringify(next));
      return next;
    });
  }, []);
  const askAt = async (
    /** @type {number} */ count,
    /** @type {string} */ text,
    mode = settings.mode,
  ) => {
    const answered = await ask(count, text, { ...settings, model, mode });
    if (!answered) return;
    say(answered.state === "done" ? "The answer is complete" : answered.error ?? "Stopped");
  };
  const submit = () => {
    const text = draft.trim();
    if (text === "" || busy) return;
    setDraft("");
    void askAt(turns.length, text);
  };
  const edit = (/** @type {number} */ at) => {
    setDraft(turns[at].text);
    cutTurns(at);
    input.current?.focus();
  };
  const again = () => void askAt(turns.length - 2, turns.at(-2).text);
  const clear = () => {
    cutTurns(0);
    input.current?.focus();
  };

  return html`
    <section class="chat" aria-label="Chat">
      <div class="scroller" ref=${scroller} tabindex="0" role="region" aria-label="Conversation">
          <ol class="turns" aria-busy=${busy}>
            ${turns.map((turn, at) =>
              html`<li key=${at} class=${turn.role} data-sought=${at === sought ? "" : undefined}>${
                turn.role === "user"
                  ? html`<${Question} text=${turn.text} onEdit=${() => edit(at)} />`
                  : html`<${Answer} turn=${turn} last=${
                    at === turns.length - 1
                  } onAgain=${again} />`
              }</li>`
            )}
          </ol>
          ${turns.length === 0 && html`<${Welcome} models=${models} ask=${(example) => {
            change({ mode: example.mode });
            void askAt(0, example.text, example.mode);
          }} />`}
        </div>
      <${Composer} input=${input} text=${draft} onText=${setDraft} onSend=${submit}
        onStop=${stopAnswer}
        busy=${busy} settings=${{ ...settings, model }} names=${names} onChange=${change}
        onClear=${turns.length > 0 ? clear : undefined} />
    </section>
  `;
}

/** @param {{text: string, onEdit: () => void}} props */
const Question = ({ text, onEdit }) =>
  html`<div class="question"><p>${text}</p>
    <button class="quiet" type="button" onClick=${onEdit} title="Edit and ask again"
      aria-label="Edit this question and ask again"><${Icon} name="edit" /></button></div>`;

/** What is shown before the first question. @param {{models: any, ask: (example: any) => void}} props */
const Welcome = ({ models, ask }) =>
  html`
    <div class="welcome">
      <h1>Ask the cluster</h1>
      <p class="muted">${models.value?.data?.length
        ? html`<span class="mono">${
          models.value.data[0].id
        }</span> answers, on whatever nodes are here.`
        : models.value
        ? "Nothing is served yet: the cluster view says what it waits for."
        : models.error?.message ?? "Looking for the model …"}</p>
      <ul>${EXAMPLES.map((example) =>
        html`<li><button type="button" class="example" onClick=${() => ask(example)}>
        <span>${example.text}</span><small>${example.what}</small></button></li>`
      )}</ul>
    </div>
  `;

/**
 * Keeps the end of the conversation in sight, unless the reader has scrolled away from it, or has
 * come to see the turn `sought`; -1: none.
 */
function useFollow(turns, sought) {
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const follow = useRef(true);
  useEffect(() => {
    const box = scroller.current;
    let before = 0;
    const onScroll = () => {
      const { scrollTop, scrollHeight, clientHeight } = box;
      if (scrollTop < before - 2) follow.current = false;
      if (scrollHeight - scrollTop - clientHeight < 80) follow.current = true;
      before = scrollTop;
    };
    box.addEventListener("scroll", onScroll, { passive: true });
    return () => box.removeEventListener("scroll", onScroll);
  }, []);
  useEffect(() => {
    follow.current = true;
  }, [turns.length]);
  useEffect(() => {
    const box = scroller.current;
    if (follow.current) box.scrollTop = box.scrollHeight;
  }, [turns]);
  useEffect(() => {
    if (sought < 0) return;
    follow.current = false;
    scroller.current.querySelector("[data-sought]").scrollIntoView({ block: "center" });
  }, [sought]);
  return scroller;
}
