/**
 * How many bytes of request bodies a node holds at once. A body is counted while it is read and
 * until its request is over, since its texts are kept for as long: in the queue too.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/** Bytes of bodies that are held where nobody says: sixteen of the largest size. */
export const USUAL_BODY_BYTES = 64 * 2 ** 20;

/** What a request has taken of a budget. */
interface BodyClaim {
  budget: BodyBudget;
  bytes: number;
}

/** The claim of each request that may have a body. */
const claims = new WeakMap<Request, BodyClaim>();

/** See the module's text. */
export class BodyBudget {
  /** Most bytes that are held at once. */
  readonly limit: number;
  #held = 0;

  constructor(limit: number = USUAL_BODY_BYTES) {
    this.limit = limit;
  }

  /** Bytes that are held now. */
  get held(): number {
    return this.#held;
  }

  /** Counts what is read of this request's body until the result is disposed of. */
  claim(request: Request): Disposable {
    const claim = { budget: this, bytes: 0 };
    claims.set(request, claim);
    return {
      [Symbol.dispose]: () => {
        claims.delete(request);
        this.#held -= claim.bytes;
        claim.bytes = 0;
      },
    };
  }

  /**
   * Counts further bytes of a request's body; a request without a claim is not counted. Throws group
   * `api`, code `busy` (metadata: `bytes`, `limit`, `retry_after_s`), where the budget is used up.
   */
  static grow(request: Request, bytes: number): void {
    const claim = claims.get(request);
    if (!claim) return;
    const { budget } = claim;
    if (budget.#held + bytes > budget.limit) {
      throw new OrreryError({
        group: "api",
        code: "busy",
        message:
          `this node holds ${budget.#held} bytes of requests, and at most ${budget.limit}: ` +
          "this one has no room; try again in 2 s",
        metadata: { bytes: budget.#held, limit: budget.limit, retry_after_s: 2 },
      });
    }
    budget.#held += bytes;
    claim.bytes += bytes;
  }
}
