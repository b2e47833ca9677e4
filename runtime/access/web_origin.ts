/**
 * Origins of web pages that may call the API.
 *
 * @module
 */
import { OrreryError } from "../../actors/mod.ts";

/**
 * An origin as browsers send it, such as `https://chat.example.org` or `http://localhost:3000`.
 * Throws group `access`, code `bad_origin`, for anything else: `*`, `null`, a path, a list.
 */
export function webOrigin(text: string): string {
  const url = URL.parse(text);
  const origin = url && /^https?:$/.test(url.protocol) ? url.origin : undefined;
  if (origin !== undefined && !text.includes("*") && (text === origin || text === `${origin}/`)) {
    return origin;
  }
  throw new OrreryError({
    group: "access",
    code: "bad_origin",
    message: text === "*"
      ? 'expected one origin such as https://chat.example.org, got "*": name each site that may ask this node'
      : `expected an origin such as https://chat.example.org or http://localhost:3000, got ${
        JSON.stringify(text)
      }`,
    metadata: { origin: text },
  });
}
