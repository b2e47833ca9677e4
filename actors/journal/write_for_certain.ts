/**
 * A write to the registry whose outcome is known in the end.
 *
 * @module
 */
import type { Registry, RegistryTransaction, TransactionResult } from "../registry/mod.ts";
import { type Clock, hasCode } from "../system/mod.ts";

/** Milliseconds until one try is given up. */
const TRY_MS = 1_000;
/** Milliseconds between two tries. */
const PAUSE_MS = 50;

/** Options of {@linkcode writeForCertain}. */
export interface CertainOptions {
  clock: Clock;
  /** Uniform in [0, 1); names the write. */
  random(): number;
  /** Whether it is to be tried once more. An outcome that is not known is asked for regardless. */
  within(): boolean;
}

/**
 * Makes changes if every check holds. A write without an answer is sent again under the same id
 * until it is known whether it has landed. Throws what `transact` throws where it has not.
 */
export async function writeForCertain(
  registry: Registry,
  transaction: RegistryTransaction,
  { clock, random, within }: CertainOptions,
): Promise<TransactionResult> {
  const word = () => Math.floor(random() * 2 ** 32).toString(16).padStart(8, "0");
  const id = `${word()}${word()}${word()}`;
  for (let unknown = false;;) {
    try {
      return await registry.transact({ ...transaction, id }, { deadlineMs: TRY_MS });
    } catch (error) {
      unknown ||= hasCode(error, "outcome_unknown");
      const silent = hasCode(error, "unavailable") || hasCode(error, "outcome_unknown");
      if (!silent || !(unknown || within())) throw error;
    }
    await new Promise<void>((resolve) => void clock.after(PAUSE_MS, resolve));
  }
}
