/**
 * Asks for the API key, where the node wants one.
 *
 * @module
 */
import { keepKey, keyEvents } from "../lib/api.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";

/** See the module's text. */
export function KeyDialog() {
  const [why, setWhy] = useState("");
  const [key, setKey] = useState("");
  const [remember, setRemember] = useState(false);
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const onNeeded = (/** @type {any} */ { detail }) => {
      const wrong = detail.code === "invalid_api_key";
      if (dialog.current.open) return;
      setWhy(wrong ? "This key is not accepted: it is unknown here, or was revoked." : "");
      dialog.current.showModal();
    };
    keyEvents.addEventListener("needed", onNeeded);
    return () => keyEvents.removeEventListener("needed", onNeeded);
  }, []);
  const give = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (key.trim() === "") return;
    keepKey(key.trim(), remember);
    setKey("");
    dialog.current.close();
    keyEvents.dispatchEvent(new Event("given"));
  };
  return html`
    <dialog ref=${dialog} class="dialog" aria-labelledby="key-title">
      <form onSubmit=${give}>
          <h2 id="key-title">This node needs an API key</h2>
          <p class="muted">Whoever runs the node makes one: <code>deno task keys create NAME</code></p>
          ${why && html`<p class="error" role="alert">${why}</p>`}
          <label class="stacked">API key
            <input type="password" autocomplete="off" spellcheck="false" value=${key} required
              onInput=${(event) => setKey(event.target.value)} /></label>
          <label class="check"><input type="checkbox" checked=${remember}
            onChange=${(event) => setRemember(event.target.checked)} />
            Keep it in this browser; else it is forgotten with this tab</label>
          <div class="buttons"><button class="primary" type="submit">Use this key</button></div>
        </form>
    </dialog>
  `;
}
