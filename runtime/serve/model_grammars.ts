/**
 * The grammars of the models that a gateway serves: made for the first constrained answer of a model,
 * and closed when no request needs them any more.
 *
 * @module
 */
import type { GrammarWalk } from "../../actors/mod.ts";
import type { ConstraintSpec } from "../../models/mod.ts";
import { type Grammars, openGrammars, TextsWalk } from "../grammar/mod.ts";
import type { ServedModel } from "./served_model.ts";

/** See the module's text. */
export class ModelGrammars {
  readonly #grammars = new Map<ServedModel, Grammars>();

  /**
   * Opens a walk through what an answer of the model must be. Throws what {@linkcode Grammars.open}
   * throws, and the signal's reason.
   */
  open(model: ServedModel, spec: ConstraintSpec, signal: AbortSignal): Promise<GrammarWalk> {
    let grammars = this.#grammars.get(model);
    if (!grammars) this.#grammars.set(model, grammars = openGrammars(model.vocabulary));
    return grammars.open(spec, signal);
  }

  /** A walk through an answer that is one of these texts. */
  texts(model: ServedModel, texts: readonly string[]): GrammarWalk {
    const { eos, card: { vocab } } = model;
    return new TextsWalk({ texts: texts.map((text) => model.encodeText(text)), eos, vocab });
  }

  /** Closes the grammars of all models but these. */
  keep(models: ReadonlySet<ServedModel>): void {
    for (const [model, grammars] of this.#grammars) {
      if (models.has(model)) continue;
      grammars.close();
      this.#grammars.delete(model);
    }
  }
}
