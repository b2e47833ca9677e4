/**
 * A hub in this process: model info, listings in pages, files by redirect to another origin, ranges
 * and tokens, and the faults of such a server.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A repository. Files ending in .safetensors, .gguf or .bin lie in large file storage, on the other
 * origin.
 */
export interface HubRepository {
  files: Record<string, Uint8Array<ArrayBuffer>>;
  /** Branches and tags besides `main`: name -> files at that revision. */
  revisions?: Record<string, Record<string, Uint8Array<ArrayBuffer>>>;
  /** Token that alone may fetch files; info and listing are public, as on the real hub. */
  gatedFor?: string;
  /** Token without which nothing is shown. */
  privateFor?: string;
}

/**
 * What goes wrong with a file's bytes or, for a status, with an answer of the hub itself, `times`
 * times.
 *
 * - `cut`: the connection breaks after half of the bytes; `short`: it ends properly there
 * - `wrong`: one byte is another; `no_ranges`: the whole file, whatever was asked for
 * - `silent`: half of the bytes, then nothing; `slow`: in eight pieces with pauses
 * - `expired`: 403 from the other origin; a number: that status, 429 with `retry-after: 0`
 */
export interface HubFault {
  /** End of the request's path, e.g. `model.safetensors`. */
  on: string;
  kind: "cut" | "short" | "wrong" | "no_ranges" | "silent" | "slow" | "expired" | 429 | 500 | 503;
  /** @default 1 */
  times?: number;
  /** Value of `retry-after`, for a status. @default "0" */
  retryAfter?: string;
}

/** A request as it arrived. */
export interface HubRequest {
  /** Origin that was asked: the hub, or the one with the files. */
  at: "hub" | "files";
  path: string;
  range?: string;
  authorization?: string;
}

/** Options of {@linkcode HubServer.start}. */
export interface HubServerOptions {
  repositories: Record<string, HubRepository>;
  /** Entries of a page of a listing. @default 3 */
  pageEntries?: number;
  /**
   * Whether answers for files in large storage name a xet hash and links, as for repositories that
   * have moved there. @default true
   */
  xet?: boolean;
}

const LARGE = /\.(safetensors|gguf|bin)$/;
const hex = (algorithm: string, ...parts: (string | Uint8Array)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash(algorithm)).digest("hex");
const gitOid = (bytes: Uint8Array) => hex("sha1", `blob ${bytes.length}\0`, bytes);

/** The commit of these files. */
export function commitOf(files: Record<string, Uint8Array>): string {
  return hex(
    "sha1",
    JSON.stringify(Object.entries(files).map(([name, bytes]) => [name, gitOid(bytes)])),
  );
}

/** A running hub. */
export class HubServer implements AsyncDisposable {
  /** Every request, in order. */
  readonly requests: HubRequest[] = [];
  /** Faults that are still to come; tests add to it at any time. */
  readonly faults: HubFault[] = [];
  readonly repositories: Record<string, HubRepository>;
  readonly #options: HubServerOptions;
  readonly #closed = new AbortController();
  readonly #servers: Record<"hub" | "files", Server>;

  private constructor(options: HubServerOptions) {
    this.#options = options;
    this.repositories = options.repositories;
    const listen = (at: "hub" | "files") =>
      createServer((request, response) => void this.#answer(at, request, response));
    this.#servers = { hub: listen("hub"), files: listen("files") };
  }

  /** Starts a hub on free ports of loopback. */
  static async start(options: HubServerOptions): Promise<HubServer> {
    const hub = new HubServer(options);
    for (const server of Object.values(hub.#servers)) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    return hub;
  }

  /** Base URL. */
  get url(): string {
    return this.#urlOf("hub");
  }

  /** Requests for a file's bytes, by the end of its path. */
  fetched(name: string): HubRequest[] {
    return this.requests.filter(({ path, at }) =>
      path.endsWith(name) && (at === "files" || path.includes("/resolve-cache/"))
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    for (const server of Object.values(this.#servers)) {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    }
  }

  #urlOf(at: "hub" | "files"): string {
    return `http://127.0.0.1:${(this.#servers[at].address() as AddressInfo).port}`;
  }

  async #answer(
    at: "hub" | "files",
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const url = new URL(request.url!, this.#urlOf(at));
    const path = decodeURIComponent(url.pathname);
    const { range, authorization } = request.headers;
    this.requests.push({ at, path, range, authorization });
    if (at === "files") return await this.#file(path, request, response);
    const token = authorization?.replace(/^Bearer /, "");
    const match = /^\/(api\/(?:models|resolve-cache\/models)\/)?([^/]+\/[^/]+)\/(.*)$/.exec(
      url.pathname,
    );
    const repo = this.repositories[match?.[2] ?? ""];
    if (!match || !repo || (repo.privateFor !== undefined && token !== repo.privateFor)) {
      // As on the real hub, nobody without a token learns whether a repository exists.
      return refuse(response, token ? 404 : 401, "RepoNotFound", "Repository not found");
    }
    const [, api, name, rest] = match;
    const fault = api?.includes("resolve-cache") ? undefined : this.#fault(path, true);
    if (fault) return status(response, fault);
    const [, action, revision, file] =
      /^(revision|tree|resolve)\/([^/]+)\/?(.*)$/.exec(rest)?.map(decodeURIComponent) ?? [];
    if (api?.includes("resolve-cache")) return await this.#file(path, request, response);
    const all = this.#at(repo, revision);
    if (!all) return refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    const commit = commitOf(all);
    response.setHeader("x-repo-commit", commit);
    if (api && action === "revision") {
      const info = {
        _id: "0123456789abcdef01234567",
        id: name,
        sha: commit,
        private: false,
        gated: false,
      };
      return json(response, {
        ...info,
        downloads: 1,
        likes: 1,
        lastModified: "2026-05-03T10:00:00.000Z",
      });
    }
    if (api && action === "tree") return this.#tree(all, file, url, response);
    if (action === "resolve") {
      return this.#resolve({ repo, name, commit, file, bytes: all[file], token }, response);
    }
    refuse(response, 404, "EntryNotFound", "Entry not found");
  }

  #at(repo: HubRepository, revision: string | undefined): HubRepository["files"] | undefined {
    const named = { main: repo.files, ...repo.revisions };
    return Object.entries(named).find(([name, files]) =>
      name === revision || commitOf(files) === revision
    )
      ?.[1];
  }

  #tree(files: HubRepository["files"], folder: string, url: URL, response: ServerResponse): void {
    const prefix = folder ? `${folder}/` : "";
    const entries = new Map<string, unknown>();
    for (const [path, bytes] of Object.entries(files)) {
      if (!path.startsWith(prefix)) continue;
      const slash = path.indexOf("/", prefix.length);
      if (slash >= 0) {
        const directory = path.slice(0, slash);
        entries.set(directory, {
          type: "directory",
          oid: hex("sha1", directory),
          size: 0,
          path: directory,
        });
        continue;
      }
      const sha256 = hex("sha256", bytes);
      const pointer =
        `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes.length}\n`;
      entries.set(path, {
        type: "file",
        oid: LARGE.test(path) ? gitOid(new TextEncoder().encode(pointer)) : gitOid(bytes),
        size: bytes.length,
        path,
        ...LARGE.test(path) &&
          { lfs: { oid: sha256, size: bytes.length, pointerSize: pointer.length } },
        ...LARGE.test(path) && this.#options.xet !== false && { xetHash: hex("sha256", sha256) },
      });
    }
    if (entries.size === 0) {
      return refuse(response, 404, "EntryNotFound", `${folder} does not exist on this revision`);
    }
    const { pageEntries = 3 } = this.#options;
    const from = Number(url.searchParams.get("cursor") ?? 0);
    if (from + pageEntries < entries.size) {
      url.searchParams.set("cursor", String(from + pageEntries));
      response.setHeader("link", `<${url.href}>; rel="next"`);
    }
    json(response, [...entries.values()].slice(from, from + pageEntries));
  }

  #resolve(
    of: {
      repo: HubRepository;
      name: string;
      commit: string;
      file: string;
      bytes?: Uint8Array;
      token?: string;
    },
    response: ServerResponse,
  ): void {
    const { repo, name, commit, file, bytes, token } = of;
    if (repo.gatedFor !== undefined && token !== repo.gatedFor) {
      const words =
        `Access to model ${name} is restricted. You must have access to it and be authenticated to access it.`;
      return refuse(response, token ? 403 : 401, "GatedRepo", words);
    }
    if (!bytes) return refuse(response, 404, "EntryNotFound", "Entry not found");
    const path = file.split("/").map(encodeURIComponent).join("/");
    response.setHeader("accept-ranges", "bytes");
    if (!LARGE.test(file)) {
      response.setHeader("etag", `"${gitOid(bytes)}"`);
      response.writeHead(307, { location: `/api/resolve-cache/models/${name}/${commit}/${path}` })
        .end();
      return;
    }
    const sha256 = hex("sha256", bytes);
    response.setHeader("x-linked-size", bytes.length);
    response.setHeader("x-linked-etag", `"${sha256}"`);
    if (this.#options.xet !== false) {
      response.setHeader("x-xet-hash", hex("sha256", sha256));
      response.setHeader(
        "link",
        `<${this.url}/api/models/${name}/xet-read-token/${commit}>; rel="xet-auth"`,
      );
    }
    const signed = `?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature=${
      sha256.slice(0, 16)
    }`;
    response.writeHead(302, {
      location: `${this.#urlOf("files")}/repos/${name}/${commit}/${path}${signed}`,
    })
      .end();
  }

  async #file(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path.startsWith("/repos/") && request.headers.authorization !== undefined) {
      // The form of S3's errors.
      return refuse(response, 400, "InvalidArgument", "Only one auth mechanism allowed");
    }
    const [, name, commit, file] =
      /^\/(?:repos|api\/resolve-cache\/models)\/([^/]+\/[^/]+)\/([^/]+)\/(.+)$/
        .exec(path)!;
    const whole = this.#at(this.repositories[name], commit)![file];
    const fault = this.#fault(path, false);
    if (fault?.kind === "expired") {
      return refuse(response, 403, "AccessDenied", "Request has expired");
    }
    const asked = fault?.kind === "no_ranges"
      ? undefined
      : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const from = Number(asked?.[1] ?? 0);
    if (from >= whole.length && whole.length > 0) {
      response.writeHead(416, { "content-range": `bytes */${whole.length}` }).end();
      return;
    }
    const bytes = whole.slice(from, asked?.[2] ? Number(asked[2]) + 1 : undefined);
    if (fault?.kind === "wrong") bytes[bytes.length >> 1] ^= 1;
    const half = bytes.length >> 1;
    response.writeHead(asked ? 206 : 200, {
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      etag: `"${hex("sha256", whole)}"`,
      ...fault?.kind !== "short" && { "content-length": bytes.length },
      ...asked && { "content-range": `bytes ${from}-${from + bytes.length - 1}/${whole.length}` },
    });
    switch (fault?.kind) {
      case "cut":
        return void response.write(
          bytes.subarray(0, half),
          () => setTimeout(() => response.destroy(), 20),
        );
      case "short":
        return void response.end(bytes.subarray(0, half));
      case "silent":
        return void response.write(bytes.subarray(0, half));
      case "slow":
        for (let piece = 0; piece < 8 && !response.destroyed; piece++) {
          const at = (i: number) => Math.floor(i * bytes.length / 8);
          response.write(bytes.subarray(at(piece), at(piece + 1)));
          await sleep(100, undefined, { signal: this.#closed.signal }).catch(() => {});
        }
        return void response.end();
      default:
        return void response.end(bytes);
    }
  }

  #fault(path: string, isStatus: boolean): HubFault | undefined {
    const fault = this.faults.find(({ on, kind, times = 1 }) =>
      times > 0 && path.endsWith(on) && (typeof kind === "number") === isStatus
    );
    if (fault) fault.times = (fault.times ?? 1) - 1;
    return fault;
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end(
    JSON.stringify(value),
  );
}

function refuse(response: ServerResponse, code: number, error: string, message: string): void {
  response.writeHead(code, {
    "x-error-code": error,
    "x-error-message": message,
    "content-type": "application/json",
  });
  response.end(JSON.stringify({ error: message }));
}

function status(response: ServerResponse, { kind, retryAfter = "0" }: HubFault): void {
  response.writeHead(kind as number, { "content-type": "text/html", "retry-after": retryAfter })
    .end(
      "<h1>no</h1>",
    );
}
