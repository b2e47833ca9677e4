/**
 * Values of the registry that are JSON texts.
 *
 * @module
 */
import type { z } from "zod";
import type { RegistryEntry } from "./contract.ts";
import { wrongData } from "./errors.ts";

/** Reads a value as its schema says. Throws `registry/wrong_data` for anything else. */
export function readJson<T>(
  schema: z.ZodType<T>,
  { key, value }: Pick<RegistryEntry, "key" | "value">,
): T {
  let data: unknown;
  try {
    data = JSON.parse(new TextDecoder().decode(value));
  } catch {
    throw wrongData(key, "it is no JSON");
  }
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw wrongData(key, `${path.join(".") || "the value"}: ${message}`);
}
