/**
 * Network namespaces of a user who may make some (Linux).
 *
 * @module
 */

/** A process in a network namespace of its own, which lives as long as the process. */
export interface HeldNamespace {
  holder: Deno.ChildProcess;
  /** What the script printed first; "": it ended before it said anything. */
  said: string;
}

/** Runs a script in a new network namespace, as its root; undefined: this machine cannot. */
export async function holdNamespace(
  script: string,
  stdin: "null" | "piped",
): Promise<HeldNamespace | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  let holder: Deno.ChildProcess;
  try {
    holder = new Deno.Command("unshare", {
      args: ["--user", "--map-root-user", "--net", "sh", "-c", script],
      stdin,
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch {
    return undefined;
  }
  const reader = holder.stdout.getReader();
  const { value } = await reader.read(); // the line, or nothing where a command failed
  await reader.cancel();
  return { holder, said: new TextDecoder().decode(value) };
}
