/**
 * Which versions of other libraries' symbols an ELF file needs: what `readelf --version-info` prints
 * under "Version needs section". A program that needs `GLIBC_2.28` starts with the C library 2.28
 * and later.
 *
 * @module
 */

/** Type of the section with the versions that a file needs (`SHT_GNU_verneed`). */
const VERSION_NEEDS = 0x6ffffffe;
/** ELF, 64 bits, little-endian: x86-64 and arm64. */
const MAGIC = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
/** Bytes of the headers of the file and of a section. */
const [FILE_HEADER, SECTION_HEADER] = [64, 64];

/** A section's place in the file, and the section that its names are in. */
interface Section {
  type: number;
  offset: number;
  size: number;
  link: number;
  /** Records in it. */
  info: number;
}

/** Names of the versions that a file needs, such as `GLIBC_2.28`. Throws where it is no ELF file. */
export function neededVersions(path: string): string[] {
  using file = Deno.openSync(path);
  const read = (offset: number, size: number): DataView => {
    const bytes = new Uint8Array(size);
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < size;) {
      const count = file.readSync(bytes.subarray(done));
      if (count === null) throw new Error(`${path} ends before byte ${offset + size}`);
      done += count;
    }
    return new DataView(bytes.buffer);
  };
  const header = read(0, FILE_HEADER);
  if (MAGIC.some((byte, i) => header.getUint8(i) !== byte)) {
    throw new Error(`${path} is no ELF file of 64 bits, little-endian`);
  }
  const at = Number(header.getBigUint64(40, true));
  const table = read(at, header.getUint16(60, true) * SECTION_HEADER);
  const sections = Array.from({ length: table.byteLength / SECTION_HEADER }, (_, i): Section => {
    const from = i * SECTION_HEADER;
    return {
      type: table.getUint32(from + 4, true),
      offset: Number(table.getBigUint64(from + 24, true)),
      size: Number(table.getBigUint64(from + 32, true)),
      link: table.getUint32(from + 40, true),
      info: table.getUint32(from + 44, true),
    };
  });
  return sections.filter(({ type }) => type === VERSION_NEEDS).flatMap((section) => {
    const names = sections[section.link];
    return versionNames(
      read(section.offset, section.size),
      section.info,
      read(names.offset, names.size),
    );
  });
}

/** Names in a section of needs: of each library a record, behind it one for each version. */
function versionNames(needs: DataView, libraries: number, names: DataView): string[] {
  const text = (from: number): string => {
    let end = from;
    while (names.getUint8(end) !== 0) end++;
    return new TextDecoder().decode(new Uint8Array(names.buffer, from, end - from));
  };
  const found: string[] = [];
  for (let i = 0, library = 0; i < libraries; i++) {
    const count = needs.getUint16(library + 2, true);
    for (let j = 0, version = library + needs.getUint32(library + 8, true); j < count; j++) {
      found.push(text(needs.getUint32(version + 8, true)));
      version += needs.getUint32(version + 12, true);
    }
    library += needs.getUint32(library + 12, true);
  }
  return found;
}

/** The newest version `PREFIX_1.2.3` among names, as numbers; undefined: none begins so. */
export function newestVersion(names: readonly string[], prefix: string): number[] | undefined {
  const versions = names.filter((name) => name.startsWith(`${prefix}_`))
    .map((name) => name.slice(prefix.length + 1).split(".").map(Number))
    .filter((parts) => parts.every(Number.isInteger));
  return versions.sort(compareVersions).at(-1);
}

/** Below 0 where version `a` is the older one, above 0 where `b` is. */
export function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
