/**
 * Profiles on disk: `<data>/profiles/<hash of the key>-<share of a core in percent>.json`.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { sameShare } from "./machine.ts";
import { type Profile, type ProfileKey, profileSchema } from "./profile.ts";

const log = getLogger(["orrery", "profile"]);

/** Hexadecimal digits of a key's hash in a file name. */
const HASH_CHARS = 24;

/**
 * The profiles of a data folder. A file that cannot be read as a profile is skipped with a warning;
 * its model is measured again.
 */
export class ProfileCache {
  /** Path of the folder of profiles, absolute or relative. */
  readonly dir: string;

  /** @param data Path of the data folder, which the model store lies in too. */
  constructor(data: string) {
    this.dir = join(data, "profiles");
  }

  /**
   * true if there is a profile of this key that is not stale, measured with any share of a core.
   */
  async has(key: ProfileKey): Promise<boolean> {
    return (await this.#read(`${hashOf(key)}-`)).some((p) => p.stale === null);
  }

  /**
   * The profile of this key that was measured with about this share of a core, 0 to 1; undefined if
   * there is none, or only a stale one.
   */
  async get(key: ProfileKey, cpuShare: number): Promise<Profile | undefined> {
    const near = (p: Profile) => Math.abs(Math.log(p.cpu_share / cpuShare));
    const fitting = (await this.#read(`${hashOf(key)}-`))
      .filter((p) =>
        hashOf(p.key) === hashOf(key) && sameShare(p.cpu_share, cpuShare) && p.stale === null
      );
    return fitting.sort((a, b) => near(a) - near(b))[0];
  }

  /** Writes a profile and removes those of the same key and about the same share of a core. */
  async put(profile: Profile): Promise<void> {
    await Deno.mkdir(this.dir, { recursive: true });
    const path = this.#path(profile);
    const hash = hashOf(profile.key);
    const older = (await this.#read(`${hash}-`)).filter((p) =>
      sameShare(p.cpu_share, profile.cpu_share)
    );
    const temporary = `${path}.${crypto.randomUUID()}.tmp`;
    await Deno.writeTextFile(temporary, JSON.stringify(profile, null, 2) + "\n");
    await Deno.rename(temporary, path);
    for (const p of older) {
      if (this.#path(p) === path) continue;
      await Deno.remove(this.#path(p)).catch(() => {}); // another node has removed it
    }
  }

  /** Writes down why a profile must be measured again, and returns the stale profile. */
  async markStale(profile: Profile, why: string): Promise<Profile> {
    const stale = { ...profile, stale: why };
    await this.put(stale);
    return stale;
  }

  /** Every profile that can be read, stale ones included, newest first. */
  async all(): Promise<Profile[]> {
    return (await this.#read("")).sort((a, b) => b.measured_at.localeCompare(a.measured_at));
  }

  #path({ key, cpu_share }: Profile): string {
    return join(this.dir, `${hashOf(key)}-${Math.round(cpu_share * 100)}.json`);
  }

  /** The profiles whose file names begin with `prefix`. */
  async #read(prefix: string): Promise<Profile[]> {
    const names: string[] = [];
    try {
      for await (const { name } of Deno.readDir(this.dir)) {
        if (name.startsWith(prefix) && name.endsWith(".json")) names.push(name);
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
    const profiles = await Promise.all(
      names.sort().map((name) => this.#readOne(join(this.dir, name))),
    );
    return profiles.filter((p) => p !== undefined);
  }

  async #readOne(path: string): Promise<Profile | undefined> {
    try {
      return profileSchema.parse(JSON.parse(await Deno.readTextFile(path)));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined; // a newer one has replaced it
      log.warn("profile {path} is not one and will be measured again: {error}", { path, error });
      return undefined;
    }
  }
}

/** Every profile of a data folder that can be read and is not stale, newest first. */
export async function loadProfiles(dataDir: string): Promise<Profile[]> {
  return (await new ProfileCache(dataDir).all()).filter((p) => p.stale === null);
}

/** First part of the file names of a key's profiles. */
function hashOf({ geometry, precision, threads, spinning, machine }: ProfileKey): string {
  const { hostname, cpu, cores, memory_bytes } = machine;
  const text = JSON.stringify([
    geometry,
    precision,
    threads,
    spinning,
    hostname,
    cpu,
    cores,
    memory_bytes,
  ]);
  return createHash("sha256").update(text).digest("hex").slice(0, HASH_CHARS);
}
