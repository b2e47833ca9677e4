/**
 * `onnxruntime-node` without its telemetry. Tests import this instead of the package: modules are
 * evaluated in the order of the imports, so the telemetry is off before the library is opened.
 *
 * @module
 */
import "./no_telemetry.ts";

export * from "onnxruntime-node";
