/**
 * The page that people see at `/`: static files, without a build step, and the routes that serve
 * them. The page asks the public API alone, as every client does.
 *
 * @module
 */
export { type PageFile, PageFiles } from "./page_files.ts";
