/**
 * `GET /` and `GET /page/...`: the page for people. Programs that ask `/` whether a server runs get a
 * line of text, as ever.
 *
 * @module
 */
import type { Context } from "hono";
import { accepts } from "hono/accepts";
import type { Api } from "./env.ts";
import { apiError } from "./errors.ts";
import { wrongMethod } from "./failures.ts";
import type { PageFile, PageFiles } from "../page/mod.ts";

/**
 * What the page's scripts may do: run from files of this node, and ask this node. Text that a model
 * writes can so neither run nor load anything, even if it came to be markup.
 */
export const PAGE_POLICY: string = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:"],
  ...["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join("; ");

/** Headers of every file of the page. */
const HEADERS = {
  "content-security-policy": PAGE_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  // Asked for again with its ETag each time: a new version of the node has a new page.
  "cache-control": "no-cache",
  "vary": "accept",
};

/** Whether a request is for a file of the page, which tells nothing of the node and needs no key. */
export const asksForPage = (c: Context): boolean =>
  ["GET", "HEAD"].includes(c.req.method) &&
  (c.req.path.startsWith("/page/") || (c.req.path === "/" && wantsHtml(c)));

/** Adds the routes; without files, `/` has the line of text alone. */
export function pageRoutes(app: Api, files: PageFiles | undefined): void {
  app.get("/", async (c) => {
    const page = files && wantsHtml(c) ? await files.get("index.html") : undefined;
    // Some clients ask here whether a server runs.
    return page ? answer(c, page) : c.text("Orrery is running", 200, { vary: "accept" });
  });
  if (!files) return;
  app.get("/page/:path{.+}", async (c) => {
    const path = c.req.path.slice("/page/".length);
    const file = await files.get(path);
    if (file) return answer(c, file);
    throw apiError("not_found", `the page has no file ${JSON.stringify(path.slice(0, 128))}`);
  });
  app.all("/page/:path{.+}", wrongMethod("GET, HEAD"));
}

/** Whether the client is a browser that shows a page: programs that take any type get text. */
function wantsHtml(c: Context): boolean {
  const header = c.req.header("accept") ?? "";
  if (!header.includes("text/html")) return false;
  return accepts(c, {
    header: "Accept",
    supports: ["text/html", "text/plain"],
    default: "text/plain",
  }) === "text/html";
}

function answer(c: Context, { bytes, type, etag }: PageFile): Response {
  const headers = { ...HEADERS, etag };
  const known = (c.req.header("if-none-match") ?? "").split(",").map((tag) => tag.trim());
  if (known.includes(etag) || known.includes(`W/${etag}`)) return c.body(null, 304, headers);
  return c.body(bytes, 200, { ...headers, "content-type": type });
}
