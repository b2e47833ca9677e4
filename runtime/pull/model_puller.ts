/**
 * Adds models of a hub to the store.
 *
 * @module
 */
import { hasCode } from "../../actors/mod.ts";
import type { ModelStore } from "../../models/mod.ts";
import type { PullService, PullStep } from "../api/mod.ts";
import type { Adder, AdderClaim } from "./adder.ts";
import { pullTarget } from "./pull_name.ts";

/** Options of a {@linkcode ModelPuller}. */
export interface ModelPullerOptions {
  /** Where models are looked for. */
  store: Pick<ModelStore, "get">;
  /** Adds them to that store. */
  adder: Adder;
  /** Base URL of the hub. @default "https://huggingface.co" */
  endpoint?: string;
  /** The hub's token for private and gated repositories. @default none */
  token?: string;
  /** See {@linkcode ToldStepsOptions}. */
  asCalled?: AsCalled;
}

/** Names the commands in a text as the user of this node calls them. */
export type AsCalled = (text: string) => string;

/** Options of {@linkcode toldSteps}. */
export interface ToldStepsOptions {
  /** Who adds the model. */
  claim: AdderClaim;
  /** Words the step that says what to do next. @default commands are called by `deno task` */
  asCalled?: AsCalled;
}

/** See the module's text; the contract is {@linkcode PullService}. */
export class ModelPuller implements PullService {
  readonly #options: ModelPullerOptions;

  constructor(options: ModelPullerOptions) {
    this.#options = options;
  }

  async *pull(name: string, signal: AbortSignal): AsyncGenerator<PullStep, void> {
    const { store, adder, endpoint, token, asCalled } = this.#options;
    if (await isStored(store, name)) {
      yield { status: "pulling manifest" };
      yield { status: "success" };
      return;
    }
    const target = pullTarget(name);
    using claim = await adder.claim(name);
    signal.throwIfAborted();
    yield { status: "pulling manifest" };
    const steps = adder.run({ from: "hub", target, endpoint, token }, signal);
    yield* toldSteps(steps, { claim, asCalled });
  }
}

/** The steps by which a model is added, told to whoever asks what is being added, and the last ones. */
export async function* toldSteps(
  steps: AsyncGenerator<PullStep, string>,
  { claim, asCalled = (text) => text }: ToldStepsOptions,
): AsyncGenerator<PullStep, void> {
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return yield* lastSteps(value, asCalled);
      claim.tell(value);
      yield value;
    }
  } finally {
    await steps.return(""); // stops the thread where nobody takes its steps any more
  }
}

/** The steps behind a model that is in the store under this name. */
function* lastSteps(name: string, asCalled: AsCalled): Generator<PullStep, void> {
  yield { status: "writing manifest" };
  yield { status: asCalled(`stored as ${name}; serve it: deno task start --model ${name}`) };
  yield { status: "success" };
}

/** Whether the store has a model of this name. */
export async function isStored(store: Pick<ModelStore, "get">, name: string): Promise<boolean> {
  try {
    await store.get(name);
    return true;
  } catch (error) {
    if (hasCode(error, "model_not_found") || hasCode(error, "model_name")) return false;
    throw error;
  }
}
