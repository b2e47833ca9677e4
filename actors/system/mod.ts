/**
 * The actor framework by itself: define a kind of actor, make a system, send messages.
 *
 * This room knows nothing of models, clusters or HTTP. It imports nothing else of the project, and
 * from npm only zod. Start with `define.ts`: it shows a whole actor on one screen. Then follow one
 * message from its sender to its handler:
 *
 * 1. An actor sends by its context (`context.ts`), the outside by a typed ref (`ref.ts`).
 * 2. `outbound.ts` finds the receiver's node (`directory.ts`), keeps the order (`send_order.ts`) and
 *    waits for credit (`credits.ts`). For an ask, `asks.ts` waits for the answer.
 * 3. It travels as an envelope (`envelope.ts`), in one process by `local_transport.ts`.
 * 4. `inbound.ts` lets it into the receiving node, or refuses it: by who sends it (`gate.ts`,
 *    `callers.ts`) and by how much that node has under way here (`intake.ts`).
 * 5. `system.ts` checks it against its schema, and finds its actor or activates it
 *    (`activations.ts`).
 * 6. It waits in the mailbox (`mailbox.ts`), until a turn of the activation hands it to its handler
 *    (`activation.ts`, `delivery.ts`). Crashes are counted (`restarts.ts`), and an
 *    activation that has nothing to do ends (`idle_watch.ts`).
 * 7. What the handler changed of the actor's state is saved before it is answered
 *    (`durable_memory.ts`).
 *
 * A message that no handler gets is refused (`refusals.ts`) and becomes a dead letter
 * (`dead_letters.ts`).
 *
 * `simulation.ts` and `test_actor.ts` run the same actors in virtual time.
 *
 * @module
 */
export * from "./address.ts";
export * from "./callers.ts";
export * from "./context.ts";
export * from "./create_system.ts";
export { REMOTE_WINDOW } from "./credits.ts";
export { type DeadLetter } from "./dead_letters.ts";
export * from "./define.ts";
export * from "./directory.ts";
export * from "./durable.ts";
export { badState, notSaved } from "./durable_errors.ts";
export { DurableView, type SeenActor, undeclared } from "./durable_view.ts";
export { jsonText } from "./json_value.ts";
export * from "./envelope.ts";
export * from "./errors.ts";
export * from "./inbox.ts";
export * from "./local_transport.ts";
export * from "./messages.ts";
export * from "./ownership.ts";
export * from "./ref.ts";
export { actorStopped, invalidMessage, noResource, notAllowed } from "./refusals.ts";
export * from "./simulation.ts";
export * from "./system.ts";
export * from "./system_clock.ts";
export * from "./telemetry.ts";
export * from "./test_actor.ts";
export * from "./traceparent.ts";
export * from "./unsent.ts";
export * from "./wire_error.ts";
