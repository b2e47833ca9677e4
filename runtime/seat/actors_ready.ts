/**
 * The wait until the custom actors of a graph run at their hosts.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** No host can have an actor; `why` says what each lacks. */
export const noHost = (actor: string, why: string): OrreryError =>
  new OrreryError({
    group: "graph",
    code: "no_host",
    message: `actor ${actor}: ${why}`,
    metadata: { actor },
  });

/** Waits for so many milliseconds. Throws `deadline_exceeded` then. */
export async function within(
  done: Promise<unknown>,
  { ms, deployment }: { ms: number; deployment: string },
): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new OrreryError({
        group: "actor",
        code: "deadline_exceeded",
        message: `not all custom actors of ${deployment} ran within ${ms / 1000} s`,
      }),
    );
  }, ms);
  try {
    await Promise.race([done, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
