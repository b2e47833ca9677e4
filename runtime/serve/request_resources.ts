/**
 * What a node's gateway hands to the generations and arbiters of its requests.
 *
 * @module
 */
import {
  type ActorSystem,
  arbiterActor,
  type FindPipeline,
  generationActor,
  type MakeCodec,
  type MakeOutlineText,
  nameOf,
  parseAddress,
  type PipelineRoute,
  type SuffixStore,
} from "../../actors/mod.ts";
import type { Admission } from "./admission.ts";
import type { Arbiters } from "./arbiters.ts";
import { PROBE } from "./probe.ts";
import type { RequestsRunner } from "./requests_runner.ts";
import { pipelineRoute } from "./routes.ts";
import type { RunningRequests, Served } from "./running_requests.ts";
import type { ServedDeployment } from "./served_deployment.ts";

/** Options of {@linkcode RequestResources}. */
export interface RequestResourcesOptions {
  /** Generations and arbiters are registered there. */
  system: ActorSystem;
  admission: Pick<Admission, "most">;
  /** The requests that run. */
  running: RunningRequests;
  runner: RequestsRunner;
  arbiters: Arbiters;
  /** The copies that are served under a name. */
  copies: (name: string) => readonly ServedDeployment[];
  /** All that new requests may use. */
  serving: () => readonly Served[];
  /** What is proved at present. */
  proving: () => Iterable<Served>;
}

/** See the module's text. */
export class RequestResources {
  readonly #o: RequestResourcesOptions;

  constructor(options: RequestResourcesOptions) {
    this.#o = options;
  }

  /** Registers generations and arbiters. */
  register(): void {
    const { system } = this.#o;
    system.register(generationActor, {
      config: generationActor.config.parse({}),
      resources: (to) => ({
        codec: this.#codecOf(to),
        outline: this.#outlineOf(to),
        grammar: this.#o.running.get(to)?.grammar,
        find: this.#findFor(to),
        answers: this.#answersOf(to),
      }),
    });
    system.register(arbiterActor, {
      config: arbiterActor.config.parse({}),
      resources: (to) => ({ pipeline: this.pipelineOf(to) }),
    });
  }

  /** Resource `codec` of the generation at this address. */
  #codecOf(to: string): MakeCodec | undefined {
    const run = this.#o.running.get(to);
    return run && ((stops) => run.model.makeCodec(stops, (text) => run.stopText = text));
  }

  /**
   * Resource `find` of the generation at this address; undefined: its request must fail with its
   * pipeline, since it is there to see whether prompts are answered.
   */
  #findFor(to: string): FindPipeline | undefined {
    const { running, runner, copies } = this.#o;
    const run = running.get(to);
    if (!run || run.request === PROBE) return undefined;
    return (signal) => {
      for (const copy of copies(nameOf(run.deployment))) {
        if (copy.serving?.deployment.id === run.deployment.id) copy.failed(copy.serving);
      }
      return runner.find(to, signal);
    };
  }

  /** Resource `answers` of the generation at this address; undefined: it only tries the pipeline. */
  #answersOf(to: string): SuffixStore | undefined {
    const run = this.#o.running.get(to);
    return run?.request === PROBE ? undefined : run?.model.answers;
  }

  /** Resource `outline` of the generation at this address. */
  #outlineOf(to: string): MakeOutlineText {
    const run = this.#o.running.get(to);
    return () => {
      if (!run?.request) return undefined;
      const { policy, said } = run;
      return run.model.outlineText(run.request.prompt, said ? { ...policy, said } : policy);
    };
  }

  /**
   * Resource `pipeline` of the arbiter at this address; undefined: its deployment has no requests
   * here.
   */
  pipelineOf(to: string): PipelineRoute | undefined {
    const { deployment: id } = parseAddress(to);
    const { system, admission, running, arbiters, serving, proving } = this.#o;
    const served = [...serving(), ...running.values(), ...proving()]
      .find((s) => s.deployment.id === id);
    return served && pipelineRoute(to, served, {
      node: system.node,
      most: admission.most,
      idleMs: (key) => arbiters.idleMs(key),
    });
  }
}
