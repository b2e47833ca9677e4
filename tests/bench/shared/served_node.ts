/**
 * A node that serves one model by itself, and questions to it through its own API.
 *
 * @module
 */
import { type Node, type NodeOptions, startNode } from "../../../runtime/node.ts";

/** Longest time for an answer or for the start of the node, in milliseconds. */
const PATIENCE_MS = 120_000;

/**
 * Starts a node that serves the embedded model alone, with one engine thread and no drafts.
 *
 * @param more Options of the node beside these, such as another model.
 */
export async function openServedNode(
  data: string,
  more: Partial<NodeOptions> = {},
): Promise<Node> {
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
    ...more,
    onServe: (deployment) => deployment && ready.resolve(),
  });
  await ready.promise.finally(() => clearTimeout(late));
  return node;
}

/**
 * Asks one question, greedily; the body of the answer as JSON.
 *
 * @param more Further fields of the request. Without `max_tokens`, the limit is the one of a client that
 *   states none.
 * @throws {Error} Any answer but 200.
 */
export async function askServed(
  node: Node,
  question: string,
  more: Record<string, unknown>,
): Promise<unknown> {
  const response = await fetch(`${node.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages: [{ role: "user", content: question }],
      temperature: 0,
      ...more,
    }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!response.ok) throw new Error(`${response.status} for ${question}: ${await response.text()}`);
  return await response.json();
}
