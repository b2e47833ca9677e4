/**
 * Values that are asked for again and again while somebody looks.
 *
 * @module
 */
import { json, keyEvents } from "./api.js";
import { useEffect, useState } from "./html.js";

/** Longest time between two questions after failures, milliseconds. */
const MOST_MS = 15_000;

/**
 * What a route answers, asked for every `ms` milliseconds while the page is visible, and at once when
 * a key was given. After failures it is asked for more rarely; the last value stays.
 * @param {string} path
 * @param {number} ms
 * @returns {{value?: any, error?: Error & {code?: string}, again: () => void}}
 */
export function usePoll(path, ms) {
  const [state, setState] = useState({});
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let timer;
    let failures = 0;
    const ask = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      try {
        const value = await json(path, { signal: stop.signal });
        failures = 0;
        setState({ value, at: performance.now() });
      } catch (error) {
        if (stop.signal.aborted) return;
        failures++;
        setState((last) => ({ ...last, error }));
      }
      if (stop.signal.aborted) return;
      timer = setTimeout(ask, Math.min(MOST_MS, ms * 2 ** Math.min(failures, 5)));
    };
    const options = { signal: stop.signal };
    document.addEventListener("visibilitychange", () => !document.hidden && ask(), options);
    keyEvents.addEventListener("given", ask, options);
    ask();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [path, ms, round]);
  return { ...state, again: () => setRound((n) => n + 1) };
}
