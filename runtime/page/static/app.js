/**
 * The page: its views, which one is shown, the theme, and the API key.
 *
 * @module
 */
import { apiKey, forgetKey, keyEvents } from "./lib/api.js";
import { html, render, useCallback, useEffect, useRef, useState } from "./lib/html.js";
import { Icon, Logo } from "./lib/icons.js";
import { usePoll } from "./lib/poll.js";
import { routeOf } from "./lib/route.js";
import { nextTheme, setTheme, showTheme, theme } from "./lib/theme.js";
import { Chat } from "./views/chat.js";
import { Cluster } from "./views/cluster.js";
import { Deployments } from "./views/deployments.js";
import { KeyDialog } from "./views/key_dialog.js";
import { Models } from "./views/models.js";
import { Plan } from "./views/plan.js";
import { Timeline } from "./views/timeline.js";

/** The views, in the order of the menu. */
const VIEWS = [
  { name: "chat", title: "Chat", View: Chat },
  { name: "cluster", title: "Cluster", View: Cluster },
  { name: "timeline", title: "Timeline", View: Timeline },
  { name: "plan", title: "Plan", View: Plan },
  { name: "models", title: "Models", View: Models },
  { name: "deployments", title: "Deployments", short: "Deploy", View: Deployments },
];

/** The view of a location's hash, with what it is to show. @param {string} hash */
function shownBy(hash) {
  const { name, query } = routeOf(hash);
  return { ...VIEWS.find((view) => view.name === name) ?? VIEWS[0], query };
}

/** The whole page. */
function App() {
  const [view, setView] = useState(() => shownBy(location.hash));
  const [said, say] = useState("");
  const main = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const onHash = () => {
      setView(shownBy(location.hash));
      main.current?.focus();
    };
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, []);
  useEffect(() => {
    document.title = `${view.title} · Orrery`;
  }, [view]);
  const { View, query } = view;
  return html`
    <a class="skip" href="#main" onClick=${(event) => {
      event.preventDefault();
      main.current?.focus();
    }}>Skip to the content</a>
    <header class="bar">
      <a class="brand" href="#/chat"><${Logo} /> <span>Orrery</span></a>
      <nav aria-label="Views">
        <ul>${VIEWS.map(({ name, title, short = title }) =>
          html`<li><a href=${`#/${name}`} aria-current=${name === view.name ? "page" : undefined}>
        <${Icon} name=${name} /> <span class="wide-only">${title}</span><span class="narrow-only">${short}</span></a></li>`
        )}</ul>
      </nav>
      <div class="tools">
        <${Ready} />
        <${ThemeButton} />
        <${ForgetKey} />
      </div>
    </header>
    <main id="main" ref=${main} tabindex="-1">
      <${View} key=${view.name} say=${say} query=${query} />
    </main>
    <p class="hidden" role="status">${said}</p>
    <${KeyDialog} />
  `;
}

/**
 * Whether the node serves something. Not by `/readyz`, which sends a prompt through every stage: that
 * would keep idle stages in memory as long as somebody has the page open.
 */
function Ready() {
  const { value, error } = usePoll("/v1/models", 5_000);
  const models = value?.data ?? [];
  const [state, text] = error
    ? ["bad", error.code === "unreachable" ? "unreachable" : "refused"]
    : !value
    ? ["", "…"]
    : models.length > 0
    ? ["good", `serves ${models[0].id}`]
    : ["bad", "serves nothing"];
  return html`<span class="ready" data-state=${state} title=${error?.message ?? text}>
    <i aria-hidden="true"></i><span>${text}</span></span>`;
}

function ThemeButton() {
  const [now, setNow] = useState(theme);
  const next = nextTheme(now);
  const toggle = useCallback(() => {
    setTheme(next);
    setNow(next);
  }, [next]);
  const label = `Theme: ${now}. Change to ${next}`;
  return html`
    <button class="quiet icon-only" type="button" onClick=${toggle} title=${label}
      aria-label=${label}><${Icon} name=${now} /></button>
  `;
}

/** Forgets the API key, where there is one. */
function ForgetKey() {
  const [has, setHas] = useState(() => apiKey() !== undefined);
  useEffect(() => {
    const look = () => setHas(apiKey() !== undefined);
    keyEvents.addEventListener("given", look);
    return () => keyEvents.removeEventListener("given", look);
  }, []);
  if (!has) return null;
  const forget = () => {
    forgetKey();
    location.reload();
  };
  return html`
    <button class="quiet icon-only" type="button" onClick=${forget}
      title="Forget the API key" aria-label="Forget the API key"><${Icon} name="key" /></button>
  `;
}

showTheme();
render(html`<${App} />`, document.getElementById("app"));
