/**
 * The API over a scripted generator, without a socket.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ApiOptions, createApi } from "../../runtime/api/mod.ts";
import { ScriptedGenerator } from "./scripted_generator.ts";

/** Asks the API; the generator shows what arrived. */
export class ScriptedApi {
  readonly generator = new ScriptedGenerator();
  /** The API itself. */
  readonly app;

  constructor(options?: ApiOptions) {
    this.app = createApi(this.generator, options);
  }

  /** The response to a request with this JSON body. */
  async send(path: string, body?: unknown, headers: Record<string, string> = {}) {
    return await this.app.request(path, {
      method: body === undefined ? "GET" : "POST",
      headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  /** The JSON of the response, whose status must be this one. */
  // deno-lint-ignore no-explicit-any -- tests look at what they expect
  async json(path: string, body?: unknown, status = 200): Promise<any> {
    const response = await this.send(path, body);
    const json = await response.json();
    assert.equal(response.status, status, JSON.stringify(json));
    return json;
  }

  /** The server-sent events of a response: their names, and their data as JSON where it is. */
  // deno-lint-ignore no-explicit-any -- tests look at what they expect
  async events(path: string, body: unknown): Promise<{ event?: string; data: any }[]> {
    const response = await this.send(path, body);
    assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
    const text = await response.text();
    return text.trimEnd().split("\n\n").map((block) => {
      const [, event] = /^event: (.*)$/m.exec(block) ?? [];
      const data = /^data: (.*)$/m.exec(block)![1];
      return { event, data: data.startsWith("{") ? JSON.parse(data) : data };
    });
  }

  /** The lines of a response that streams JSON. */
  // deno-lint-ignore no-explicit-any -- tests look at what they expect
  async lines(path: string, body: unknown): Promise<any[]> {
    const response = await this.send(path, body);
    assert.equal(response.headers.get("content-type"), "application/x-ndjson");
    return (await response.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
  }
}
