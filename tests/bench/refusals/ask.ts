/**
 * A node that serves the embedded model, and questions to it through its own API.
 *
 * @module
 */
import { z } from "zod";
import { type Node, startNode } from "../../../runtime/node.ts";

/** Longest time for an answer or for the start of the node, in milliseconds. */
const PATIENCE_MS = 120_000;

const responseSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })).length(1),
  orrery: z.object({ mode: z.string() }),
});

/** Starts a node that serves the embedded model alone, with one engine thread and no drafts. */
export async function openEmbeddedNode(data: string): Promise<Node> {
  const ready = Promise.withResolvers<void>();
  const late = setTimeout(
    () => ready.reject(new Error(`the node does not serve after ${PATIENCE_MS} ms`)),
    PATIENCE_MS,
  );
  const node = await startNode({
    host: "127.0.0.1",
    port: 0,
    mailboxPort: 0,
    data,
    threads: 1,
    draft: "none",
    nodes: 1,
    onServe: (deployment) => deployment && ready.resolve(),
  });
  await ready.promise.finally(() => clearTimeout(late));
  return node;
}

/**
 * Asks one question, greedily, and returns the answer and the mode in which it was made.
 * `maxTokens`: longest answer in tokens; left out, the limit that applies where a client states none.
 * Throws for any answer but 200.
 */
export async function askNode(
  node: Node,
  { question, mode, maxTokens }: { question: string; mode: string; maxTokens?: number },
): Promise<{ text: string; mode: string }> {
  const response = await fetch(`${node.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: question }],
      temperature: 0,
      max_tokens: maxTokens,
      orrery: { mode },
    }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!response.ok) throw new Error(`${response.status} for ${question}: ${await response.text()}`);
  const { choices: [{ message }], orrery } = responseSchema.parse(await response.json());
  return { text: message.content, mode: orrery.mode };
}
