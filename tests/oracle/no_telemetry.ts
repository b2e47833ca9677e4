/**
 * Switches ONNX Runtime's telemetry off in a process that imports `onnxruntime-node`; import this
 * module before it.
 *
 * @module
 */
Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
