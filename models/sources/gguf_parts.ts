/**
 * GGUF files, also those that llama-gguf-split has cut into several: `NAME-00001-of-00003.gguf`. The
 * first part has the metadata.
 *
 * @module
 */
import { modelError, reasonOf } from "../errors.ts";
import { ggufError, type GgufHeader, type GgufTensor, readGgufHeader } from "./gguf.ts";

const PART = /-(\d{5})-of-(\d{5})\.gguf$/i;
/** Most parts that are opened. */
const MOST_PARTS = 1000;

/** An opened file. */
export interface GgufPart {
  path: string;
  file: Deno.FsFile;
  /** Bytes before the tensors' data. */
  headerBytes: number;
}

/** All parts of a GGUF file, and what their headers say together. */
export interface GgufParts {
  parts: GgufPart[];
  header: GgufHeader;
}

/** Paths of all parts of a split file, of which `path` is one; of any other file, its own. */
export function partPaths(path: string): string[] {
  const [, number, of] = PART.exec(path) ?? [];
  const count = Number(of ?? 1);
  if (!number || count < 2 || count > MOST_PARTS || Number(number) > count) return [path];
  return Array.from(
    { length: count },
    (_, i) => path.replace(PART, `-${String(i + 1).padStart(5, "0")}-of-${of}.gguf`),
  );
}

/** The name of a split file without the number of its part; any other path unchanged. */
export const withoutPart = (path: string): string => path.replace(PART, ".gguf");

/**
 * Opens a file with all its parts and checks their headers. Throws OrreryError `model/`:
 * `file_unreadable`, and what {@linkcode readGgufHeader} throws.
 */
export async function openGgufParts(path: string): Promise<GgufParts> {
  const paths = partPaths(path);
  const parts: GgufPart[] = [];
  const tensors = new Map<string, GgufTensor>();
  let first: GgufHeader | undefined;
  try {
    for (const [number, path] of paths.entries()) {
      const file = await openFile(path);
      parts.push({ path, file, headerBytes: 0 });
      const header = readGgufHeader(file, path, { number, count: paths.length });
      parts[number].headerBytes = header.bytes;
      first ??= header;
      for (const [name, tensor] of header.tensors) {
        if (tensors.has(name)) {
          throw ggufError("gguf_malformed", path, "an earlier part has it too", name);
        }
        tensors.set(name, tensor);
      }
    }
    return { parts, header: { ...first!, tensors } };
  } catch (error) {
    for (const { file } of parts) file.close();
    throw error;
  }
}

async function openFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true });
  } catch (error) {
    throw modelError("file_unreadable", `${path} cannot be opened: ${reasonOf(error)}`, {
      file: path,
    });
  }
}
