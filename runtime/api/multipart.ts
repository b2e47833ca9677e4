/**
 * Reading `multipart/form-data` as it arrives, so that a file goes to the disk without standing in
 * memory.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { apiError } from "./errors.ts";

/** Largest head of a part, and largest text of a field, in bytes. */
const MOST_HEAD_BYTES = 16 << 10;
/** Most parts of a form where nobody says. */
const USUAL_PARTS = 32;

/** A part of a form. Its content must be read before the next part is asked for. */
export interface FormPart {
  /** Name of the field. */
  name: string;
  /** Name of the file; undefined: the part is a text field. */
  filename?: string;
  /** The bytes of the part. */
  content: AsyncIterable<Uint8Array>;
}

/** The boundary that a content type names. Throws `unsupported_media_type`. */
export function boundaryOf(contentType: string | null): string {
  const found = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i
    .exec(contentType ?? "");
  if (found) return found[1] ?? found[2];
  const got = contentType === null
    ? "the request has none"
    : `the request says ${JSON.stringify(contentType.slice(0, 128))}`;
  throw apiError(
    "unsupported_media_type",
    `content-type must be multipart/form-data with a boundary, ${got}`,
  );
}

/**
 * The parts of a form, in order, `mostParts` of them at most. Throws group `api`, code `invalid_multipart`, where the body is no
 * such form or ends early, and what reading the body throws.
 */
export async function* readForm(
  body: ReadableStream<Uint8Array>,
  boundary: string,
  { mostParts = USUAL_PARTS }: { mostParts?: number } = {},
): AsyncGenerator<FormPart> {
  const source = new FormSource(body, boundary);
  try {
    await source.begin();
    for (let parts = 0; await source.more(); parts++) {
      if (parts === mostParts) throw broken(`it has more than ${mostParts} parts`);
      const head = await source.head();
      const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(head)?.[1] ?? "";
      const name = parameter(disposition, "name");
      if (name === undefined) throw broken(`part ${parts + 1} has no name`);
      const filename = parameter(disposition, "filename");
      const content = source.content();
      yield { name, content, ...(filename !== undefined && { filename }) };
      for await (const _ of content); // what the reader left
    }
  } finally {
    await source.close();
  }
}

/** The text of a field. Throws `invalid_value` where it is longer than 16 KiB. */
export async function fieldText({ name, content }: FormPart): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of content) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > MOST_HEAD_BYTES) {
      throw apiError("invalid_value", `${name.slice(0, 64)}: the field is longer than 16 KiB`);
    }
  }
  return text + decoder.decode();
}

/** A parameter of a part's disposition; browsers escape quotes as `%22`, others with a backslash. */
function parameter(disposition: string, name: string): string | undefined {
  const found = new RegExp(`(?:^|;)\\s*${name}=(?:"((?:\\\\.|[^"\\\\])*)"|([^\\s;]+))`, "i")
    .exec(disposition);
  return found ? (found[1]?.replaceAll(/\\(["\\])/g, "$1") ?? found[2]) : undefined;
}

function broken(why: string): Error {
  return apiError("invalid_multipart", `the request body is no multipart/form-data: ${why}`);
}

/** The bytes of a form, cut at its boundaries. */
class FormSource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** What separates parts: the boundary as it stands behind a part's content. */
  readonly #delimiter: Buffer;
  /** Bytes that have arrived and were not given out. */
  #bytes: Buffer = Buffer.alloc(0);

  constructor(body: ReadableStream<Uint8Array>, boundary: string) {
    this.#reader = body.getReader();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  }

  /** Skips what stands before the first boundary. */
  async begin(): Promise<void> {
    this.#bytes = Buffer.from("\r\n"); // the first boundary has no line before it
    for await (const _ of this.content());
  }

  /** Whether a part follows the boundary that was read last. */
  async more(): Promise<boolean> {
    while (this.#bytes.length < 2) await this.#fill("behind a boundary");
    const mark = this.#take(2).toString("latin1");
    if (mark === "--") return false;
    if (mark !== "\r\n") throw broken("a boundary is followed by something else than a line's end");
    return true;
  }

  /** The headers of a part. */
  async head(): Promise<string> {
    for (;;) {
      const end = this.#bytes.indexOf("\r\n\r\n");
      if (end >= 0 && end <= MOST_HEAD_BYTES) {
        const text = this.#take(end).toString("utf8");
        this.#take(4);
        return text;
      }
      if (this.#bytes.length > MOST_HEAD_BYTES) throw broken("a part's headers are too long");
      await this.#fill("within a part's headers");
    }
  }

  /** The bytes up to the next boundary, which is read too. */
  async *content(): AsyncGenerator<Uint8Array> {
    const delimiter = this.#delimiter;
    for (;;) {
      const end = this.#bytes.indexOf(delimiter);
      if (end >= 0) {
        if (end > 0) yield this.#take(end);
        this.#take(delimiter.length);
        return;
      }
      const safe = this.#bytes.length - delimiter.length + 1; // the rest may begin a boundary
      if (safe > 0) yield this.#take(safe);
      await this.#fill("before its last boundary");
    }
  }

  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }

  #take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  async #fill(where: string): Promise<void> {
    const { done, value } = await this.#reader.read();
    if (done) throw broken(`it ends ${where}`);
    this.#bytes = this.#bytes.length === 0
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      : Buffer.concat([this.#bytes, value]);
  }
}
