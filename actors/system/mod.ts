/**
 * The actor framework by itself: define a kind of actor, make a system, send messages.
 *
 * This room knows nothing of models, clusters or HTTP. It imports nothing else of the project, and
 * from npm only zod. Start with `define.ts`: it shows a whole actor on one screen.
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
