/**
 * The first node's side of joining: answers strangers' requests for the authority's certificate and
 * for certificates of their own, and tells members who belongs to the cluster.
 *
 * @module
 */
import type { Http2Stream } from "../http2/mod.ts";
import { getLogger } from "@logtape/logtape";
import { OrreryError, toOrreryError } from "../../actors/system/mod.ts";
import {
  commonVersion,
  FIRST_PROTOCOL,
  LineBudget,
  type OtherRequest,
  PROTOCOL,
  type ProtocolRange,
  speaks,
} from "../mailbox/mod.ts";
import type { Authority } from "./authority.ts";
import { trustError } from "./errors.ts";
import { readJson, sendJson } from "./json_stream.ts";
import {
  AUTHORITY_PATH,
  CERTIFICATE_PATH,
  COORDINATOR_PATH,
  type CoordinatorPlace,
  joinRequestSchema,
  MAX_REQUEST_BYTES,
  MEMBERSHIP_PATH,
  type MembershipNews,
  REVOKED_PATH,
} from "./join_protocol.ts";

const log = getLogger(["orrery", "trust"]);

/** Requests that wait for a signature at a time; further ones are refused. */
const MAX_WAITING = 64;

/** Answers requests of the paths of joining. */
export class JoinServer {
  /** Undefined on nodes that do not have it: they take no joins. */
  authority: Authority | undefined;
  readonly #node: string;
  readonly #protocol: ProtocolRange;
  /** Streams of members, and what writes a line to each. */
  readonly #watchers = new Map<Http2Stream, (news: MembershipNews) => void>();
  readonly #lines = new LineBudget((line) => log.warn("{line}", { line }));
  /** Who coordinates, as far as this node knows. */
  coordinator?: CoordinatorPlace;
  #news: MembershipNews = { revoked: [] };
  /** Requests are answered one after the other: a signature takes the processor for milliseconds. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** `node` is this node, and `protocol` the versions that it speaks. */
  constructor(
    authority: Authority | undefined,
    { node, protocol = PROTOCOL }: { node: string; protocol?: ProtocolRange },
  ) {
    this.authority = authority;
    this.#node = node;
    this.#protocol = protocol;
  }

  /** Answers a request; false: its path is not one of joining. */
  answer({ stream, headers, from, remote }: OtherRequest): boolean {
    const path = headers[":path"], method = headers[":method"];
    if (path === AUTHORITY_PATH && method === "GET") {
      const authority = this.authority;
      const protocol = this.#names("range") ? this.#protocol : undefined;
      if (authority) sendJson(stream, 200, { authority: authority.certificate, protocol });
      else sendJson(stream, 409, { error: notFirst().toWire() });
    } else if (path === CERTIFICATE_PATH && method === "POST") {
      void this.#certificates(stream, remote);
    } else if (path === MEMBERSHIP_PATH && method === "GET" && from && this.#names("roll")) {
      this.#watch(stream, (news) => news);
    } else if (path === REVOKED_PATH && method === "GET" && from) {
      this.#watch(stream, ({ revoked }) => revoked);
    } else if (path === COORDINATOR_PATH && method === "GET" && from) {
      sendJson(stream, 200, { coordinator: this.coordinator });
    } else return false;
    return true;
  }

  /** Whether this node's newest version has this. */
  #names(what: "range" | "roll"): boolean {
    return speaks(what, this.#protocol.highest);
  }

  /** Writes a line with this part of the news now and whenever there are others. */
  #watch(stream: Http2Stream, part: (news: MembershipNews) => unknown): void {
    const write = (news: MembershipNews) => stream.write(JSON.stringify(part(news)) + "\n");
    stream.respond({ ":status": "200", "content-type": "application/x-ndjson" });
    write(this.#news);
    this.#watchers.set(stream, write);
    stream.on("close", () => this.#watchers.delete(stream));
    stream.resume();
  }

  /** Tells members who belongs to the cluster. */
  tell(news: MembershipNews): void {
    this.#news = news;
    for (const write of this.#watchers.values()) write(news);
  }

  /** Ends the streams of members. */
  close(): void {
    this.#lines.close();
    for (const stream of this.#watchers.keys()) stream.end();
  }

  async #certificates(stream: Http2Stream, remote: string): Promise<void> {
    try {
      const authority = this.authority;
      if (!authority) throw notFirst();
      const request = await readJson(stream, joinRequestSchema, MAX_REQUEST_BYTES);
      commonVersion({ node: this.#node, protocol: this.#protocol }, {
        node: request.node,
        protocol: request.protocol ?? FIRST_PROTOCOL,
      });
      const issued = await this.#inTurn(() => authority.issue(request));
      log.info("node {node} at {remote} got certificates", { node: request.node, remote });
      sendJson(stream, 200, { ...issued, ...await authority.news() });
    } catch (cause) {
      if (stream.destroyed) return;
      const error = cause instanceof OrreryError ? cause : toOrreryError(cause);
      this.#lines.say(`a request to join from ${remote} is refused: ${error.message}`);
      sendJson(stream, error.group === "trust" || error.code === "version" ? 403 : 500, {
        error: error.toWire(),
      });
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) {
      throw trustError("bad_request", `${MAX_WAITING} nodes wait to join already; try again`);
    }
    this.#waiting++;
    const before = this.#last;
    const mine = before.then(work, work);
    this.#last = mine;
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }
}

function notFirst(): OrreryError {
  return trustError(
    "not_first",
    "this node has joined another one itself; join the first node of that cluster",
  );
}
