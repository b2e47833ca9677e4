/**
 * Asks a node of the benchmarks of models, and reads the memory of its process.
 *
 * @module
 */

/**
 * Sends a request. Returns the milliseconds to the first piece of text and from it to the end, and
 * the number of tokens.
 */
export async function ask(
  url: string,
  count: number,
): Promise<{ first: number; rest: number; tokens: number }> {
  const started = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      prompt: "What is edge computing?",
      max_tokens: count,
      temperature: 0,
      logit_bias: { "1": -100 },
      orrery: { mode: "plain" },
      stream: true,
      stream_options: { include_usage: true },
    }),
    signal: AbortSignal.timeout(300_000),
  });
  let [text, first] = ["", 0];
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    first ||= performance.now() - started;
    text += piece;
  }
  const tokens = Number(/"completion_tokens": ?(\d+)/.exec(text)?.[1]);
  if (!response.ok || !(tokens > 1)) throw new Error(`no generation: ${text.slice(0, 500)}`);
  return { first, rest: performance.now() - started - first, tokens };
}

/**
 * Resident memory of a process in bytes, now and at its peak, as Linux tells it; undefined on other
 * systems.
 */
export async function residentMemory(
  pid: number,
): Promise<{ now: number; peak: number } | undefined> {
  // Deno reads /proc only with every permission; `cat` may.
  const cat = new Deno.Command("cat", { args: [`/proc/${pid}/status`], stderr: "null" });
  const status = await cat.output().then(
    ({ stdout }) => new TextDecoder().decode(stdout),
    () => "",
  );
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
  const [now, peak] = [field("VmRSS"), field("VmHWM")];
  return now > 0 ? { now, peak } : undefined;
}
