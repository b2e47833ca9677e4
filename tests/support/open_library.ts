/**
 * Opens ONNX Runtime's library before the first test of a file that imports this module. The
 * library stays open for the life of the process, so otherwise `sanitizeResources` would call it a
 * leak of the test that loads the first engine.
 *
 * @module
 */
import { heldLibrary } from "../../runtime/engine/library.ts";
import { openRuntime } from "../../runtime/engine/ort.ts";

openRuntime(heldLibrary());
