/**
 * The page's files, read once and kept in memory.
 *
 * @module
 */
import { extname } from "node:path";

/** Folder of the page's files. */
const FOLDER = new URL("./static/", import.meta.url);

/** Content types by the ending of a file's name. */
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
};

/** A file of the page. */
export interface PageFile {
  bytes: Uint8Array<ArrayBuffer>;
  /** Its content type. */
  type: string;
  /** Begin of its SHA-256 in quotes: the same for the same bytes. */
  etag: string;
}

/** See the module's text. */
export class PageFiles {
  readonly #folder: URL;
  /** Every file by its path below the folder; read with the first one that is asked for. */
  #files?: Promise<Map<string, PageFile>>;

  /** @param folder URL of a folder, with `/` at its end. @default the page's own */
  constructor(folder: URL = FOLDER) {
    this.#folder = folder;
  }

  /**
   * The file of this path, such as `views/chat.js`; undefined: there is none. A path that leaves the
   * folder names no file, as only files of the folder are known. Throws what reading throws.
   */
  async get(path: string): Promise<PageFile | undefined> {
    return (await this.all()).get(path);
  }

  /** All files by path. Throws what reading throws; then the next call reads again. */
  all(): Promise<ReadonlyMap<string, PageFile>> {
    this.#files ??= read(this.#folder).catch((error) => {
      this.#files = undefined;
      throw error;
    });
    return this.#files;
  }
}

async function read(folder: URL): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  const walk = async (below: string) => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(below, folder))) {
      const path = `${below}${name}`;
      const type = TYPES[extname(name)];
      if (isDirectory) await walk(`${path}/`);
      else if (type) files.set(path, await fileOf(new URL(path, folder), type));
    }
  };
  await walk("");
  return files;
}

async function fileOf(url: URL, type: string): Promise<PageFile> {
  const bytes = await Deno.readFile(url);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return { bytes, type, etag: `"${hash.toHex().slice(0, 32)}"` };
}
