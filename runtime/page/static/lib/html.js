/**
 * Preact with `html` templates in place of JSX.
 *
 * @module
 */
import htm from "../vendor/htm.js";
import { Fragment, h, render } from "../vendor/preact.js";

export {
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "../vendor/hooks.js";
export { Fragment, h, render };

/** Template tag: markup as Preact elements. Values become text or attributes, never markup. */
export const html = htm.bind(h);
