/**
 * To which part of the work the samples of a V8 profile belong.
 *
 * @module
 */

/** A profile as V8's inspector gives it, as far as it is read here. */
export interface Profile {
  /** Functions by number, each with the functions that it called. */
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string };
    children?: number[];
  }[];
  /** The function that each sample met. */
  samples: number[];
  /** Microseconds between a sample and the one before. */
  timeDeltas: number[];
}

/** The parts of a frame's way through a stage, in the order of the table. */
export const PARTS = [
  "reading HTTP/2",
  "CBOR decode",
  "schema check",
  "actor turn",
  "hidden states' format",
  "worker hop",
  "graph feeds and rows",
  "computing",
  "sampler",
  "CBOR encode",
  "writing HTTP/2",
  "acknowledgements",
  "timers",
  "garbage collection",
  "event loop",
] as const;

/** See {@linkcode PARTS}. */
export type Part = typeof PARTS[number];

/** A function belongs to a part if both of these expressions find something in it. */
interface Rule {
  part: Part;
  url: RegExp;
  name?: RegExp;
}

/**
 * Looked up from the innermost function of a sample outwards: the first function that a rule names
 * decides, so a library counts for whoever called it.
 */
const RULES: Rule[] = [
  { part: "garbage collection", url: /^$/, name: /garbage collector/ },
  {
    part: "CBOR decode",
    url: /mailbox\/(cbor|wire|frame_reader)[a-z_]*\.ts/,
    name: /^(decode|check|push|#?append|isCount|isText)/,
  },
  {
    part: "CBOR encode",
    url: /mailbox\/(cbor|wire)[a-z_]*\.ts/,
    name: /^(encode|stampSeq|measure|controlFrame)/,
  },
  {
    part: "schema check",
    url: /node_modules\/(\.deno\/)?zod|pipeline\/frame_(problems|check)|engine\/frame_check/,
  },
  { part: "acknowledgements", url: /mailbox\/(inbound|ack[a-z_]*)\.ts/, name: /acknowledge/ },
  { part: "acknowledgements", url: /mailbox\/window\.ts/, name: /acknowledge/ },
  { part: "acknowledgements", url: /mailbox\/dialer\.ts/, name: /#control/ },
  { part: "hidden states' format", url: /pipeline\/tensor[a-z_]*\.ts/ },
  {
    part: "worker hop",
    url:
      /engine\/(worker_engine|queued_engine|worker|protocol|mod)\.ts|ext:runtime\/11_workers|13_message_port|02_structured_clone|worker_probe/,
    name: /^(?!computing)/,
  },
  { part: "computing", url: /bench\/frame\/worker_probe/, name: /^computing$/ },
  {
    part: "sampler",
    url: /(engine\/(sampler|candidates|partial|random)|pipeline\/(partials|random))[a-z_]*\.ts/,
  },
  { part: "graph feeds and rows", url: /runtime\/engine\// },
  { part: "reading HTTP/2", url: /mailbox\/inbound\.ts/ },
  { part: "writing HTTP/2", url: /mailbox\/(dialer|window|peer|mailbox_transport)\.ts/ },
  { part: "actor turn", url: /\/actors\/|bench\/frame\/stage_process/ },
  { part: "timers", url: /[tT]imers/ },
  {
    part: "reading HTTP/2",
    url: /http2|ext:deno_node|node:|ext:deno_net|ext:deno_web\/06_streams/,
  },
];

/** Share of each part in the busy time of the profile; the shares add up to 1. */
export function shares({ nodes, samples, timeDeltas }: Profile): Record<Part, number> {
  const parents = new Map<number, number>();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  for (const { id, children = [] } of nodes) for (const child of children) parents.set(child, id);
  const known = new Map<number, Part | undefined>();
  const partOf = (leaf: number): Part | undefined => {
    if (byId.get(leaf)!.callFrame.functionName === "(idle)") return undefined;
    for (let id: number | undefined = leaf; id !== undefined; id = parents.get(id)) {
      const { url, functionName } = byId.get(id)!.callFrame;
      const rule = RULES.find((r) => r.url.test(url) && (r.name?.test(functionName) ?? true));
      if (rule) return rule.part;
    }
    return "event loop";
  };
  const found = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<Part, number>;
  let total = 0;
  samples.forEach((id, i) => {
    if (!known.has(id)) known.set(id, partOf(id));
    const part = known.get(id);
    if (part === undefined) return;
    found[part] += timeDeltas[i + 1] ?? 0; // the time until the next sample was spent here
    total += timeDeltas[i + 1] ?? 0;
  });
  if (total > 0) { for (const part of PARTS) found[part] /= total; }
  return found;
}
