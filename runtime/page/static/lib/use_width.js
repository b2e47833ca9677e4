/**
 * How wide an element is, for drawings in pixels of the screen.
 *
 * @module
 */
import { useLayoutEffect, useRef, useState } from "./html.js";

/** A ref for the element, and its width in CSS pixels; 0 before it is known. */
export function useWidth() {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    observer.observe(ref.current);
    setWidth(Math.round(ref.current.clientWidth));
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
