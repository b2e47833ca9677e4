/**
 * Names of deployments, and of their copies.
 *
 * @module
 */
import { z } from "zod";

/** Name of what a cluster serves by the options with which it was started. */
export const DEFAULT_DEPLOYMENT = "default";

/** Schema of the name of a deployment. */
export const deploymentNameSchema = z.string().regex(/^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/, {
  error:
    "expected 1 to 63 characters of a-z, 0-9, dots, _ and -, the first and last of a-z and 0-9",
});

/** Which copy of which deployment. */
export interface CopyName {
  /** Name of the deployment. @default "default" */
  name?: string;
  /** Number of the copy, from 0. @default 0 */
  copy?: number;
}

/** The name of the deployment. */
export const nameOf = ({ name = DEFAULT_DEPLOYMENT }: CopyName): string => name;

/** A text that tells copies apart: `default/0`. */
export const copyKey = (of: CopyName): string => `${nameOf(of)}/${of.copy ?? 0}`;

/** The fields of a deployment that name a copy; those that are usual are left out. */
export const copyFields = ({ name, copy }: CopyName): CopyName => ({
  ...(name !== undefined && name !== DEFAULT_DEPLOYMENT && { name }),
  ...(copy !== undefined && copy > 0 && { copy }),
});
