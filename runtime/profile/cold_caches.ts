/**
 * Empties the processor's caches, as the layers of a model do: their weights stream through them, so
 * the code that handles the next message is never in them. A message between two frames takes three
 * to five times as long as one that follows another at once.
 *
 * @module
 */

/** Bytes that are walked over: more than the caches of small computers hold. */
const BYTES = 32 * 1024 * 1024;
/** Bytes of a cache line. */
const LINE = 64;
/** Milliseconds for which the memory is kept for the next time. */
const KEPT_MS = 1_000;
/** Milliseconds after which {@linkcode soonCold} begins: an answer must have left by then. */
const SOON_MS = 2;

let memory: Uint8Array | undefined;
let forget: ReturnType<typeof setTimeout> | undefined;

/** Empties the caches now. Takes 3 to 30 ms, in which the thread does nothing else. */
export function makeCold(): void {
  memory ??= new Uint8Array(BYTES);
  for (let at = 0; at < BYTES; at += LINE) memory[at]++;
  clearTimeout(forget);
  forget = setTimeout(() => memory = undefined, KEPT_MS);
  Deno.unrefTimer(Number(forget));
}

/** Empties the caches once the message that is being handled is answered. */
export function soonCold(): void {
  setTimeout(makeCold, SOON_MS);
}
