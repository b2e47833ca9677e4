/**
 * Speaks to etcd by its JSON gateway: one call at a time to one of its members, another member when
 * one does not answer.
 *
 * @module
 */
import { z } from "zod";
import { registryError } from "../../actors/mod.ts";
import type { EtcdAddress } from "./etcd_url.ts";
import { orAborted } from "./patience.ts";

/** Longest answer that is read, characters. */
const MAX_ANSWER_CHARS = 64 * 1024 * 1024;
/** Codes of gRPC that the gateway gives with an error. */
const [INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION] = [3, 5, 7, 9];
const [OUT_OF_RANGE, UNAUTHENTICATED] = [11, 16];

const errorSchema = z.object({
  error: z.union([z.string(), z.object({ message: z.string() })]).optional(),
  message: z.string().optional(),
  code: z.int().optional(),
});

/** An error of etcd, with its code of gRPC. */
export class EtcdError extends Error {
  constructor(message: string, readonly grpcCode: number) {
    super(message);
  }

  /** The lease that was named has lapsed. */
  get leaseNotFound(): boolean {
    return this.grpcCode === NOT_FOUND && this.message.includes("lease not found");
  }

  /** A key that must be there, to keep its lease, is not. */
  get keyNotFound(): boolean {
    return this.message.includes("key not found");
  }

  /** Would another try, or another member, say the same? */
  get final(): boolean {
    return [INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, OUT_OF_RANGE].includes(this.grpcCode) ||
      this.grpcCode === FAILED_PRECONDITION && this.message.includes("authentication");
  }
}

/** The files that an address names, as they were read. */
interface EtcdFiles {
  ca?: string;
  cert?: string;
  key?: string;
  password?: string;
}

/** See the module's text. */
export class EtcdClient {
  readonly #address: EtcdAddress;
  #endpoints: string[];
  /** The endpoint that is spoken to. */
  #at: string;
  #files: EtcdFiles;
  #http: Deno.HttpClient;
  /** Clients with earlier certificates, over which watches may run on. */
  readonly #earlier: Deno.HttpClient[] = [];
  #token: string | undefined;
  #reading: Promise<void> | undefined;
  #closed = false;

  private constructor(address: EtcdAddress, files: EtcdFiles) {
    this.#address = address;
    this.#endpoints = address.endpoints;
    this.#at = address.endpoints[0];
    this.#files = files;
    this.#http = httpClient(files);
  }

  /** Reads the files that the address names. Throws `registry/bad_url` where one is not there. */
  static async open(address: EtcdAddress): Promise<EtcdClient> {
    return new EtcdClient(address, await readFiles(address));
  }

  /** Base URL of the member that is spoken to; another one after {@linkcode EtcdClient.leave}. */
  get member(): string {
    return this.#at;
  }

  /** That member does not answer as it should: the next one is spoken to from now on. */
  leave(member: string): void {
    if (member !== this.#at) return;
    this.#at = this.#endpoints[(this.#endpoints.indexOf(member) + 1) % this.#endpoints.length];
    void this.readAgain();
  }

  /** The members are these from now on; the one that is spoken to stays if it is among them. */
  follow(endpoints: string[]): void {
    if (endpoints.length === 0) return;
    this.#endpoints = endpoints;
    if (!endpoints.includes(this.#at)) this.#at = endpoints[0];
  }

  /**
   * Calls one member once. Throws {@linkcode EtcdError} for what etcd refuses, `registry/refused`
   * where it turns this client away, and any error when it does not answer; then the next call
   * goes to the next member.
   */
  async call<T>(
    path: string,
    body: unknown,
    { schema, signal }: { schema: z.ZodType<T>; signal: AbortSignal },
  ): Promise<T> {
    const member = this.#at;
    try {
      const response = await this.#post(path, body, signal);
      const text = await orAborted(response.text(), signal);
      if (text.length > MAX_ANSWER_CHARS) {
        throw new Error(`its answer has ${text.length} characters`);
      }
      if (!response.ok) throw this.#errorOf(response.status, text);
      return schema.parse(JSON.parse(text));
    } catch (error) {
      if (!(error instanceof EtcdError && error.final)) this.leave(member);
      throw error;
    }
  }

  /** Calls a method that answers line by line, each a result or an error. */
  async *stream<T>(
    path: string,
    body: unknown,
    { schema, signal }: { schema: z.ZodType<T>; signal: AbortSignal },
  ): AsyncIterable<T> {
    const line = z.object({ result: schema.optional(), error: z.unknown().optional() });
    const response = await this.#post(path, body, signal);
    if (!response.ok) throw this.#errorOf(response.status, await response.text());
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of response.body!) {
      rest += decoder.decode(chunk, { stream: true });
      if (rest.length > MAX_ANSWER_CHARS) throw new Error(`a line of ${rest.length} characters`);
      const lines = rest.split("\n");
      rest = lines.pop()!;
      for (const text of lines) {
        if (text.trim() === "") continue;
        const { result, error } = line.parse(JSON.parse(text));
        if (error !== undefined) throw this.#errorOf(500, JSON.stringify({ error }));
        if (result !== undefined) yield result;
      }
    }
  }

  /** Ends every connection. */
  close(): void {
    this.#closed = true;
    for (const http of [...this.#earlier, this.#http]) http.close();
  }

  /**
   * Reads the files again, since certificates end and are renewed: new connections use what they
   * say now. Connections that are open go on.
   */
  readAgain(): Promise<void> {
    return this.#reading ??= (async () => {
      try {
        const files = await readFiles(this.#address);
        if (this.#closed || JSON.stringify(files) === JSON.stringify(this.#files)) return;
        this.#files = files;
        this.#earlier.push(this.#http);
        this.#http = httpClient(files);
      } catch {
        // what was read before may still do
      } finally {
        this.#reading = undefined;
      }
    })();
  }

  async #post(path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    if (this.#address.user !== undefined && this.#token === undefined) {
      await this.#authenticate(signal);
    }
    return await this.#fetch(path, body, signal);
  }

  async #fetch(path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    return await orAborted(
      fetch(this.#at + path, {
        method: "POST",
        body: JSON.stringify(body),
        headers: {
          "content-type": "application/json",
          ...this.#token === undefined ? {} : { authorization: this.#token },
        },
        redirect: "error",
        signal,
        client: this.#http,
      }),
      signal,
    );
  }

  async #authenticate(signal: AbortSignal): Promise<void> {
    const { user: name } = this.#address;
    const response = await this.#fetch("/v3/auth/authenticate", {
      name,
      password: this.#files.password,
    }, signal);
    const text = await response.text();
    if (!response.ok) {
      const error = this.#errorOf(response.status, text);
      if (error instanceof EtcdError && error.final) throw refused(error.message);
      throw error;
    }
    this.#token = z.object({ token: z.string() }).parse(JSON.parse(text)).token;
  }

  #errorOf(status: number, text: string): Error {
    const parsed = errorSchema.safeParse(parseJson(text));
    const { error, message, code = 0 } = parsed.success ? parsed.data : {};
    const said = message ?? (typeof error === "string" ? error : error?.message) ??
      text.slice(0, 200);
    if (code === UNAUTHENTICATED && this.#token !== undefined) {
      this.#token = undefined; // it has expired: the next try gets another
      return new Error(said);
    }
    if (
      code === PERMISSION_DENIED || code === UNAUTHENTICATED || said.includes("user name is empty")
    ) {
      return refused(said);
    }
    return new EtcdError(`etcd answered with HTTP status ${status}: ${said}`, code);
  }
}

async function readFiles(address: EtcdAddress): Promise<EtcdFiles> {
  const read = async (file: string | undefined) => {
    try {
      return file === undefined ? undefined : await Deno.readTextFile(file);
    } catch (error) {
      throw registryError("bad_url", `registry: ${file} cannot be read: ${error}`, { file });
    }
  };
  const [ca, cert, key, password] = await Promise.all(
    [address.caFile, address.certFile, address.keyFile, address.passwordFile].map(read),
  );
  return { ca, cert, key, password: password?.split("\n")[0].trim() };
}

function httpClient({ ca, cert, key }: EtcdFiles): Deno.HttpClient {
  return Deno.createHttpClient({
    http2: false, // one call must not wait for another
    ...ca === undefined ? {} : { caCerts: [ca] },
    ...cert === undefined || key === undefined ? {} : { cert, key },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refused(why: string): Error {
  return registryError(
    "refused",
    `the registry turned this node away: ${why}; check user, password and certificate`,
  );
}
