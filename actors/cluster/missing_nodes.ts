/**
 * Nodes of the deployment that serves which are gone or do not answer, and those in whose place others
 * stood in.
 *
 * @module
 */
import { type Deployment, servingNodes } from "./deployment.ts";

/** See the module's text. */
export class MissingNodes {
  /** Why the last of them is missing. */
  why = "";
  /** All that are missing since layers were placed or repaired last. */
  readonly #gone = new Set<string>();
  /** Those of them that are members, and may answer again. */
  readonly #away = new Set<string>();
  /** Members whose layers others have taken over since the last placement. */
  readonly #stoodIn = new Set<string>();

  /** Members that do not answer at present, and whose layers others are to take over. */
  get away(): ReadonlySet<string> {
    return this.#away;
  }

  /** Whether all that is missing is at members that may answer again. */
  get onlyAway(): boolean {
    return this.#gone.size > 0 && this.#gone.size === this.#away.size;
  }

  /** Whether a deployment needs one of them. */
  hit(deployment: Pick<Deployment, "stages" | "head">): boolean {
    return servingNodes(deployment).some((node) => this.#gone.has(node));
  }

  /** A node is no member any more, and its layers are missing. */
  lost(node: string, why: string): void {
    this.#away.delete(node);
    this.#gone.add(node);
    this.why = why;
  }

  /** A node is no member any more that has no layers now. Whether others have stood in for it. */
  lostLater(node: string): boolean {
    this.#away.delete(node);
    return this.#stoodIn.delete(node);
  }

  /** Members do not answer: others are to take their layers over. */
  silent(nodes: readonly string[], why: string): void {
    for (const node of nodes) {
      this.#away.add(node);
      this.#gone.add(node);
    }
    this.why = why;
  }

  /** Nobody takes their layers over: those that are members are waited for. */
  waitFor(): void {
    this.#gone.clear();
    this.#away.clear();
  }

  /** Others have taken the layers over of all of them, and of these members. */
  replaced(away: Iterable<string>): void {
    this.#gone.clear();
    for (const node of away) {
      this.#away.delete(node);
      this.#stoodIn.add(node);
    }
  }

  /** Whether others have stood in for a member since the last placement. */
  stoodIn(node: string): boolean {
    return this.#stoodIn.has(node);
  }

  /** Layers were placed anew. */
  clear(): void {
    this.waitFor();
    this.#stoodIn.clear();
  }
}
