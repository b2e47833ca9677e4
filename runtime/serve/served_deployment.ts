/**
 * What answers the requests of one name at a node: the deployment that serves now, what its requests
 * have shown, and whether prompts are answered.
 *
 * @module
 */
import type { Clock } from "../../actors/mod.ts";
import { Experience } from "./experience.ts";
import { Readiness } from "./readiness.ts";
import type { Served } from "./running_requests.ts";

/** What requests are run on. */
export type ServingModel = Served & { experience: Experience };

/** Options of a {@linkcode ServedDeployment}. */
export interface ServedDeploymentOptions {
  /** Why a prompt of this name would be refused at once; undefined: it would be run. */
  refusal: (served: ServedDeployment) => string | undefined;
  /** Runs a prompt of one token. */
  probe: (serving: ServingModel, signal: AbortSignal) => Promise<void>;
  /** Called while the deployment with this id answers no prompt, and why. */
  onBroken?: (deployment: string, why: string) => void;
  /** Times probes. @default the real clock */
  clock?: Clock;
}

/** See the module's text. */
export class ServedDeployment {
  readonly readiness: Readiness;
  /** What new requests use; undefined: none can be answered. */
  #serving?: ServingModel;
  /** Why nothing serves. */
  #reason = "the node has just started";

  constructor({ refusal, probe, onBroken, clock }: ServedDeploymentOptions) {
    this.readiness = new Readiness({
      clock,
      refusal: () => refusal(this),
      probe: async (signal) => {
        if (this.#serving) await probe(this.#serving, signal);
      },
      onBroken: onBroken && ((why) => {
        if (this.#serving) onBroken(this.#serving.deployment.id, why);
      }),
    });
  }

  /** New requests use this deployment; undefined: none can be answered, and `reason` says why. */
  serve(served: Served | undefined, reason: string): void {
    const before = this.#serving;
    const same = before?.deployment.id === served?.deployment.id;
    if (!same) this.readiness.renew();
    const experience = (same ? before?.experience : undefined) ?? new Experience();
    this.#serving = served && { ...served, experience };
    this.#reason = reason;
  }

  /** Ends what is probed. */
  close(): void {
    this.readiness.close();
  }

  /** What serves; undefined: nothing, and `reason` says why. */
  get serving(): ServingModel | undefined {
    return this.#serving;
  }

  /** Why nothing serves. */
  get reason(): string {
    return this.#reason;
  }

  /** A request that is run on `serving` has got something from the stages. */
  progressed(serving: ServingModel): void {
    if (serving === this.#serving) this.readiness.progressed();
  }

  /** A request that was run on `serving` has failed, and not by its own fault. */
  failed(serving: ServingModel): void {
    if (serving === this.#serving) this.readiness.failed();
  }
}
