/**
 * Sends requests to a hub. The token goes to the hub's own origin only, redirects are followed by
 * hand, and temporary failures are retried.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OrreryError } from "../../actors/system/errors.ts";
import { modelError, reasonOf } from "../errors.ts";

const MAX_REDIRECTS = 8;
/**
 * Attempts without progress before a request fails: few until the hub has answered once, more
 * afterwards, when an hour of work may be at stake.
 */
const FIRST_ATTEMPTS = 3;
const LATER_ATTEMPTS = 8;
/** Longest pause of our own choice, in milliseconds. */
const LONGEST_BACKOFF_MS = 30_000;
/**
 * Longest pause that a hub may ask for, in milliseconds; if it asks for more, the request fails.
 */
const LONGEST_WAIT_MS = 300_000;

/** Options of {@linkcode HubClient}. */
export interface HubClientOptions {
  /** Base URL of the hub. @default "https://huggingface.co" */
  endpoint?: string;
  /** Bearer token, sent to the hub's own origin only. @default none */
  token?: string;
  /** Milliseconds without a byte after which a request is sent again. @default 60000 */
  silenceMs?: number;
  /**
   * Pause before the second attempt, in milliseconds; it doubles with each further one. @default
   * 500
   */
  backoffMs?: number;
  /** Called before each pause with the reason and its length in milliseconds. */
  onRetry?: (why: string, waitMs: number) => void;
  signal?: AbortSignal;
}

/** A failure that may be temporary, so the request is sent again. */
class TemporaryFailure extends Error {
  /**
   * `final` is thrown after the last attempt. `waitMs` is the pause that the hub asked for;
   * undefined: it asked for none.
   */
  constructor(readonly final: OrreryError, readonly waitMs?: number) {
    super(final.message);
  }
}

/** One repository of one hub, over HTTP. Dispose of it to close its connections. */
export class HubClient implements Disposable {
  /** Base URL of the hub, without a final slash. */
  readonly endpoint: string;
  readonly #repo: string;
  readonly #options: HubClientOptions;
  readonly #http: Deno.HttpClient;
  #answered = false;

  /** Throws OrreryError `model/hub_endpoint` if the endpoint is not an http(s) URL. */
  constructor(repo: string, options: HubClientOptions) {
    const { endpoint = "https://huggingface.co" } = options;
    const url = URL.parse(endpoint);
    if (!url || !/^https?:$/.test(url.protocol)) {
      throw modelError(
        "hub_endpoint",
        `${JSON.stringify(endpoint)} is not the http(s) URL of a hub`,
      );
    }
    this.endpoint = url.href.replace(/\/+$/, "");
    this.#repo = repo;
    this.#options = options;
    // Deno's pooled HTTP/2 connections can stall, and bodies this large gain nothing from HTTP/2.
    this.#http = Deno.createHttpClient({ http2: false });
  }

  [Symbol.dispose](): void {
    this.#http.close();
  }

  /**
   * The `fetch` that `@huggingface/hub` is given: GET requests with bodies read whole; failures are
   * OrreryErrors.
   */
  readonly fetch: typeof fetch = (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    return this.persist(() =>
      this.#request(url, new Headers(init?.headers), async (response, heard) => {
        const chunks: Uint8Array<ArrayBuffer>[] = [];
        for await (const chunk of response.body ?? []) {
          heard();
          chunks.push(chunk);
        }
        return new Response(new Blob(chunks), {
          status: response.status,
          headers: response.headers,
        });
      })
    );
  };

  /**
   * Requests a file's bytes from `offset` on, once; to be called within
   * {@linkcode HubClient.persist}. `take` gets the response, which is the whole file (200) or the
   * part asked for (206), and a function to be called for every chunk that arrives.
   */
  async download<T>(
    path: string,
    commit: string,
    offset: number,
    take: (response: Response, heard: () => void) => Promise<T>,
  ): Promise<T> {
    const name = path.split("/").map(encodeURIComponent).join("/");
    const headers = new Headers({ "accept-encoding": "identity" });
    if (offset > 0) headers.set("range", `bytes=${offset}-`);
    return await this.#request(
      `${this.endpoint}/${this.#repo}/resolve/${commit}/${name}`,
      headers,
      take,
    );
  }

  /**
   * Runs `work` again after temporary failures. `progress` returns how far it has come: attempts
   * without progress count, and any progress starts the count anew.
   */
  async persist<T>(work: () => Promise<T>, progress: () => number = () => 0): Promise<T> {
    const { signal, onRetry, backoffMs = 500 } = this.#options;
    for (let attempt = 1, reached = progress();; attempt++) {
      try {
        return await work();
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof TemporaryFailure)) throw error;
        if (progress() > reached) attempt = 1;
        reached = Math.max(reached, progress());
        const wait = error.waitMs ?? Math.min(backoffMs * 2 ** (attempt - 1), LONGEST_BACKOFF_MS);
        const attempts = this.#answered ? LATER_ATTEMPTS : FIRST_ATTEMPTS;
        if (attempt >= attempts || wait > LONGEST_WAIT_MS) throw error.final;
        onRetry?.(error.message, wait);
        await sleep(wait, undefined, { signal }).catch(() => signal?.throwIfAborted());
      }
    }
  }

  /**
   * Makes the error for a response that ended before the whole file had come; within
   * {@linkcode HubClient.persist} it leads to another attempt.
   */
  cutShort(path: string, at: number, size: number): Error {
    return new TemporaryFailure(this.#unreachable(`${path} ended at byte ${at} of ${size}`));
  }

  async #request<T>(
    url: string,
    headers: Headers,
    take: (response: Response, heard: () => void) => Promise<T>,
  ): Promise<T> {
    const { signal, silenceMs = 60_000 } = this.#options;
    const quiet = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(
        () => quiet.abort(new Error(`no byte came for ${silenceMs} ms`)),
        silenceMs,
      );
    };
    heard();
    const either = signal ? AbortSignal.any([signal, quiet.signal]) : quiet.signal;
    try {
      const { response, own } = await this.#follow(url, headers, either);
      heard();
      if (own) this.#answered = true;
      if (!response.ok) throw await this.#refusal(response, own);
      return await take(response, heard);
    } catch (error) {
      signal?.throwIfAborted();
      if (
        error instanceof OrreryError || error instanceof TemporaryFailure ||
        error instanceof Deno.errors.NotCapable
      ) throw error;
      throw new TemporaryFailure(
        this.#unreachable(reasonOf(quiet.signal.aborted ? quiet.signal.reason : error)),
      );
    } finally {
      clearTimeout(timer);
      if (!either.aborted) quiet.abort(); // cancels a body that was not read to its end
    }
  }

  /**
   * Follows redirects. `own` says whether the response is the hub's, not that of another host to
   * which it redirected.
   */
  async #follow(from: string, headers: Headers, signal: AbortSignal) {
    let url = new URL(from);
    let own = true;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      // False for good after a redirect elsewhere: others must not see the token.
      own &&= url.origin === new URL(this.endpoint).origin;
      const sent = new Headers(headers);
      sent.delete("authorization");
      if (own && this.#options.token) sent.set("authorization", `Bearer ${this.#options.token}`);
      const response = await fetch(url, {
        headers: sent,
        redirect: "manual",
        signal,
        client: this.#http,
      });
      if (![301, 302, 303, 307, 308].includes(response.status)) return { response, own };
      await response.body?.cancel();
      const next = URL.parse(response.headers.get("location") ?? "", url.href);
      if (
        !next || !/^https?:$/.test(next.protocol) ||
        (url.protocol === "https:" && next.protocol === "http:")
      ) {
        throw modelError(
          "hub_redirect",
          `${url.origin} redirects to ${
            JSON.stringify(response.headers.get("location"))
          }, which is not followed`,
        );
      }
      url = next;
    }
    throw modelError(
      "hub_redirect",
      `${new URL(from).origin} redirects more than ${MAX_REDIRECTS} times`,
    );
  }

  #unreachable(reason: string): OrreryError {
    const { origin } = new URL(this.endpoint);
    return modelError(
      "hub_unreachable",
      `${this.#repo}: the connection to ${origin} failed (${reason}); check the network and --endpoint; what has arrived is kept`,
      { endpoint: this.endpoint, reason },
    );
  }

  async #refusal(response: Response, own: boolean): Promise<Error> {
    const { status, headers } = response;
    const repo = this.#repo;
    const said = headers.get("x-error-message") ?? messageIn(await response.text().catch(() => ""));
    const error = (code: string, message: string) =>
      modelError(code, message, { status, repo, endpoint: this.endpoint, said });
    const words = said ? `: ${said}` : "";
    if (status === 429 || status >= 500) {
      const waitMs = retryAfter(headers.get("retry-after"));
      const pause = waitMs ? `; it asks to wait ${Math.ceil(waitMs / 1000)} s` : "";
      const busy = error(
        status === 429 ? "hub_busy" : "hub_failed",
        `${repo}: ${new URL(this.endpoint).origin} answers ${status}${words}${pause}`,
      );
      return new TemporaryFailure(busy, waitMs);
    }
    // A link to another host expires; the hub gives a new one when it is asked again.
    if (!own) {
      return new TemporaryFailure(
        error("hub_failed", `${repo}: the host of its files answers ${status}${words}`),
      );
    }
    const token = this.#options.token !== undefined;
    switch (headers.get("x-error-code")) {
      case "GatedRepo":
        return error(
          "hub_gated",
          `${repo} is gated${words}; accept its licence at ${this.endpoint}/${repo} and ` +
            (token
              ? "use a token of that account in HF_TOKEN"
              : "set HF_TOKEN to a token of that account"),
        );
      case "RevisionNotFound":
        return error("hub_revision", `${repo} has no such revision${words}; check --revision`);
      case "EntryNotFound":
        return error("hub_file_missing", `${repo} does not have this file${words}`);
    }
    if (status === 401 && token && !headers.has("x-error-code")) {
      return error(
        "hub_token",
        `the hub refuses the token in HF_TOKEN${words}; make a new one or unset it`,
      );
    }
    if (status === 401 || status === 404) {
      return error(
        "hub_repository",
        `${this.endpoint} shows no repository ${repo}${words}; check its name` +
          (token
            ? ", and that the token in HF_TOKEN may read it"
            : ", or set HF_TOKEN if it is private"),
      );
    }
    if (status === 403) {
      return error(
        "hub_forbidden",
        `${this.endpoint} does not let ${repo} be read${words}; set HF_TOKEN to a token that may, and accept its licence there`,
      );
    }
    return error(
      "hub_failed",
      `${repo}: ${new URL(this.endpoint).origin} answers ${status}${words}`,
    );
  }
}

/** The pause of a Retry-After header (seconds or a date), in milliseconds; undefined: none. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/** The error message in a body, as one short line; empty: none. */
function messageIn(body: string): string {
  try {
    const { error, message } = JSON.parse(body) as { error?: unknown; message?: unknown };
    return String(error ?? message ?? "").replaceAll(/\s+/g, " ").slice(0, 200);
  } catch {
    return ""; // the body is a page for people, not JSON
  }
}
