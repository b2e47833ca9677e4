/**
 * Files and batches under a node's data folder: what clients upload, the jobs that answer such files
 * line by line beside the requests that people wait for, and what came out of them. Jobs go on where
 * they were when the process ends; a line that was answered is not answered again.
 *
 * @module
 */
export { Batches, type BatchesOptions } from "./batches.ts";
