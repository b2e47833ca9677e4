import assert from "node:assert/strict";
import fc from "fast-check";
import { OrreryError } from "../system/errors.ts";
import { graphJsonSchema, paperDimensions, parseDevices, parseGraph } from "./parse.ts";

/** The lines of the error that a text is refused with. */
function problems(
  text: string,
  parse: (text: string, source: { file: string }) => unknown = parseGraph,
): string[] {
  try {
    parse(text, { file: "g.yaml" });
  } catch (error) {
    assert.ok(error instanceof OrreryError, String(error));
    assert.deepEqual([error.group, error.code], ["graph", "bad_graph"]);
    const lines = error.message.split("\n");
    assert.equal((error.metadata.problems as unknown[]).length, lines.length);
    return lines;
  }
  assert.fail("the text was taken");
}

const DEVICES = `devices:
  - { name: a, memory_bytes: 4 GB, layer_seconds: { 1: 4 ms } }
  - { name: b, memory_bytes: 4 GB, flops: 200 GFLOPS, memory_bandwidth: 20 GB/s }
`;

Deno.test("parseGraph() reads units, ranges and defaults", () => {
  const graph = parseGraph(
    `model: mine
${DEVICES}links:
  - { from: "*", to: "*", seconds: 2 ms, bytes_per_s: 100 Mbit/s }
constraints:
  pin: [{ host: a, layers: 0-3 }, { host: b, layers: 4 }]
  memory: [{ host: a, bytes: 1.5 GiB }]
`,
    { file: "g.yaml" },
  );
  assert.deepEqual(graph.model, { name: "mine", precision: undefined });
  assert.deepEqual(graph.links, [{ from: "*", to: "*", seconds: 0.002, bytes_per_s: 12.5e6 }]);
  assert.deepEqual(graph.constraints.pin.map((p) => p.layers), [{ first: 0, last: 3 }, {
    first: 4,
    last: 4,
  }]);
  assert.equal(graph.constraints.memory[0].bytes, 1.5 * 2 ** 30);
  assert.ok(graph.devices !== "measured");
  assert.deepEqual(graph.devices[0].layer_seconds, { 1: 0.004 });
  assert.equal(graph.devices[0].memory_bytes, 4e9);
  assert.equal(graph.devices[1].flops, 200e9);
  assert.equal(graph.objective, "blended");
  assert.deepEqual(graph.actors, {
    stages: "auto",
    head: "auto",
    drafter: "auto",
    custom: [],
  });
});

Deno.test("parseGraph() reads JSON as it reads YAML", () => {
  const text = '{\n  "model": "mine",\n  "workload": { "prompt_tokens": 7 }\n}';
  assert.deepEqual(
    parseGraph(text, { file: "g" }),
    parseGraph("model: mine\nworkload:\n  prompt_tokens: 7\n", { file: "g" }),
  );
  assert.deepEqual(problems('{\n  "model": "mine",\n  "objectve": "latency"\n}'), [
    "g.yaml:3:3: objectve: unknown field; did you mean objective?",
  ]);
});

const MISTAKES: Record<string, [text: string, ...lines: string[]]> = {
  "an unknown field": [
    "model: m\nworkload:\n  promt_tokens: 3\n",
    "g.yaml:3:3: workload.promt_tokens: unknown field; did you mean prompt_tokens?",
  ],
  "a field that resembles none": [
    "model: m\nworkload:\n  zzzzzz: 3\n",
    "g.yaml:3:3: workload.zzzzzz: unknown field; known are prompt_tokens, output_tokens, branches, concurrent, acceptance, kv_rows",
  ],
  "a wrong kind of value": [
    "model: m\nworkload:\n  prompt_tokens: many\n",
    'g.yaml:3:18: workload.prompt_tokens: expected a number, found "many"',
  ],
  "a number out of range": [
    "model: m\nworkload: { acceptance: 1.5 }\n",
    "g.yaml:2:25: workload.acceptance: expected a number up to 1, found 1.5",
  ],
  "a word that is no choice": [
    "model: m\nobjective: latenzy\n",
    'g.yaml:2:12: objective: expected latency, throughput or blended, found "latenzy"; did you mean latency?',
  ],
  "a word where words and a map are choices": [
    "model: m\nactors:\n  drafter: nrgam\n",
    'g.yaml:3:12: actors.drafter: expected auto, none, ngram or {model, host}, found "nrgam"; did you mean ngram?',
  ],
  "a mistake inside one of several choices": [
    "model: m\nactors:\n  drafter: { model: d, hots: a }\n",
    "g.yaml:3:24: actors.drafter.hots: unknown field; did you mean host?",
  ],
  "a size that is none": [
    "model: m\ndevices:\n  - name: a\n    memory_bytes: lots\n    layer_seconds: { 1: 0.1 }\n",
    'g.yaml:4:19: devices[0].memory_bytes: expected a size in bytes such as 8000000000, "8 GB" or "7.5 GiB", found "lots"',
  ],
  "a missing field": [
    "model: m\ndevices:\n  - name: a\n    layer_seconds: { 1: 0.1 }\n",
    'g.yaml:3:5: devices[0].memory_bytes: expected a size in bytes such as 8000000000, "8 GB" or "7.5 GiB", found nothing',
  ],
  "no model at all": [
    "objective: latency\n",
    "g.yaml:1:1: model: expected the name or folder of a model, or a model_shape, found nothing",
  ],
  "half a description of a device": [
    "model: m\ndevices:\n  - { name: a, memory_bytes: 1 GB, flops: 1e9 }\n",
    "g.yaml:3:5: devices[0]: expected layer_seconds, or flops and memory_bandwidth together, found a map with name, memory_bytes, flops",
  ],
  "an edge to nobody": [
    "model: m\nactors:\n  custom:\n    - { name: judge, module: ./judge.ts }\nedges:\n  - from: stages\n    to: jugde\n",
    'g.yaml:7:9: edges[0].to: expected the name of an actor, found "jugde"; did you mean judge?',
  ],
  "a host that is no device": [
    `model: m\n${DEVICES}constraints:\n  exclude: [c]\n`,
    'g.yaml:6:13: constraints.exclude[0]: expected the name of a device, found "c"; known are a, b',
  ],
  "a name given twice": [
    "model: m\ndevices:\n  - { name: a, memory_bytes: 1, layer_seconds: { 1: 1 } }\n  - { name: a, memory_bytes: 1, layer_seconds: { 1: 1 } }\n",
    'g.yaml:4:13: devices[1].name: expected a name that no other device has, found "a"',
  ],
  "stages with a hole": [
    "model: m\nactors:\n  stages:\n    - { host: a, layers: 0-3 }\n    - { host: b, layers: 5-7 }\n",
    "g.yaml:5:26: actors.stages[1].layers: expected a range that begins at layer 4, found layer 5",
  ],
  "layers beyond the model": [
    "model_shape: llama-2-7b\nconstraints:\n  pin:\n    - { host: a, layers: 30-32 }\n",
    "g.yaml:4:26: constraints.pin[0].layers: expected layers up to 31, found layer 32",
  ],
  "a range backwards": [
    "model: m\nconstraints:\n  pin: [{ host: a, layers: 3-1 }]\n",
    'g.yaml:3:28: constraints.pin[0].layers: expected a range that does not end before it begins, found "3-1"',
  ],
  "a key twice": [
    "model: m\nmodel: n\n",
    "g.yaml:2:1: expected each key once, found one of them again",
  ],
  "text that is not YAML": [
    "model: [m\n",
    "g.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ],
  "an outline template without its question": [
    "model: m\nactors:\n  outline:\n    templates:\n      outline: List points\n      point: 'Point {index}'\n",
    'g.yaml:5:16: actors.outline.templates.outline: must contain {question}, found "List points"',
  ],
  "an outline template with an unknown name": [
    "model: m\nactors:\n  outline:\n    templates: { outline: '{question}', piont: '{point}', point: '{point}' }\n",
    "g.yaml:4:41: actors.outline.templates.piont: unknown field; did you mean point?",
  ],
  "a field of custom actors that has no effect": [
    "model: m\nactors:\n  custom:\n    - name: a\n      module: ./a.ts\n      needs: { compute: 1 }\n",
    "g.yaml:6:16: actors.custom[0].needs.compute: unknown field; known are memory_bytes, cores, links, trusted",
  ],
  "several mistakes at once, in the file's order": [
    "model: 3\nobjetive: latency\nworkload:\n  branches: 0\n",
    "g.yaml:1:8: model: expected the name or folder of a model, found 3",
    "g.yaml:2:1: objetive: unknown field; did you mean objective?",
    "g.yaml:4:13: workload.branches: expected a number above 0, found 0",
  ],
};

for (const [what, [text, ...lines]] of Object.entries(MISTAKES)) {
  Deno.test(`parseGraph() says where ${what} is, and what was expected`, () => {
    assert.deepEqual(problems(text), lines);
  });
}

Deno.test("parseDevices() checks a device file as parseGraph() does a graph file", () => {
  const file = parseDevices(
    `${DEVICES}links:\n  - { from: a, to: b, seconds: 0.001, bytes_per_s: 1e6 }\n`,
    {
      file: "d.yaml",
    },
  );
  assert.equal(file.devices.length, 2);
  assert.deepEqual(
    problems(
      `${DEVICES}links:\n  - { from: a, to: x, seconds: 0, bytes_per_s: 1 }\n`,
      parseDevices,
    ),
    [
      'g.yaml:5:20: links[0].to: expected the name of a device, found "x"; known are a, b',
    ],
  );
  assert.deepEqual(
    problems(`${DEVICES}uplinks:\n  - { devices: [a, x], bytes_per_s: 1 MB/s }\n`, parseDevices),
    [
      'g.yaml:5:20: uplinks[0].devices[1]: expected the name of a device, found "x"; known are a, b',
    ],
  );
});

Deno.test("paperDimensions() lets a file's dimensions replace those of the preset", () => {
  const graph = parseGraph("model_shape: { preset: llama-2-7b, layers: 4, precision: f16 }\n", {
    file: "g",
  });
  const paper = paperDimensions(graph.model_shape!);
  assert.deepEqual([paper.name, paper.layers, paper.hidden, paper.precision], [
    "llama-2-7b",
    4,
    4096,
    "f16",
  ]);
  assert.deepEqual(
    problems("model_shape: { layers: 4, hidden: 64, vocab: 9, heads: 2, kv_heads: 2, ffn: 99 }\n"),
    [
      "g.yaml:1:14: model_shape.head_dim: expected a whole number above 0 (or a preset), found nothing",
    ],
  );
});

Deno.test("parseGraph() throws no other error than `bad_graph`, whatever the text", () => {
  const words = [
    "model",
    ": ",
    "\n",
    "- ",
    "  ",
    "devices",
    "measured",
    "{",
    "}",
    "[",
    "]",
    "a",
    "0-3",
    "*",
    "&x ",
    "*x",
    "actors",
    "1",
    "|",
    '"',
    "? ",
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 24 }), (parts) => {
      try {
        parseGraph(parts.join(""), { file: "f" });
      } catch (error) {
        assert.ok(error instanceof OrreryError, `${JSON.stringify(parts.join(""))}: ${error}`);
        for (const line of error.message.split("\n")) {
          assert.match(line, /^f:(\d+:\d+: .| and \d+ more)/);
        }
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseGraph() names 20 problems of a large wrong file and counts the others", () => {
  const wrong = Array.from({ length: 1000 }, (_, i) => `  - { nam: d${i}, memry: 1 }`).join("\n");
  const text = `model: m\ndevices:\n${wrong}\n`;
  assert.throws(() => parseGraph(text, { file: "g.yaml" }), (error) => {
    assert.ok(error instanceof OrreryError);
    const lines = error.message.split("\n");
    assert.equal(lines.length, 21);
    assert.match(lines[20], /^g.yaml: and \d{3,} more problems$/);
    assert.equal((error.metadata.problems as unknown[]).length, 20);
    assert.ok(error.message.length < 20 * 300, `${error.message.length} characters`);
    return true;
  });
});

Deno.test("parseGraph() cuts long texts and lists of known names in its problems", () => {
  const devices = Array.from(
    { length: 1000 },
    (_, i) => `  - { name: device-${i}, memory_bytes: 1 GB, layer_seconds: { 1: 1 ms } }`,
  );
  const text = `model: m\n${"k".repeat(100_000)}: 1\ndevices:\n${devices.join("\n")}\n`;
  assert.ok(problems(text)[0].length <= 1000);
  const excluded = `model: m\ndevices:\n${
    devices.join("\n")
  }\nconstraints: { exclude: [zzzzzz] }\n`;
  assert.match(problems(excluded)[0], /known are device-0, .*device-19 and 980 more$/);
});

Deno.test("parseGraph() refuses more layers, tokens or devices than a plan can have", () => {
  const limits = [
    ["model_shape: { preset: llama-2-7b, layers: 2000 }", /layers: expected a number up to 1024/],
    ["workload: { prompt_tokens: 2000000 }", /prompt_tokens: expected a number up to 1048576/],
    ["workload: { output_tokens: 1e12 }", /output_tokens: expected a number up to 1048576/],
    [
      "actors: { drafter: { model: d, vocabulary: 255 } }",
      /drafter.vocabulary: expected a number from 256, found 255/,
    ],
    [
      "actors: { drafter: { model: d, vocabulary: half } }",
      /drafter.vocabulary: expected auto, whole or a number of tokens/,
    ],
    [
      "actors: { drafter: { model: d, shape: tinyllama-1.1b, vocabulary: 32001 } }",
      /drafter.vocabulary: expected at most the 32000 tokens of its shape, found 32001/,
    ],
  ] as const;
  for (const [line, message] of limits) {
    assert.match(problems(`model: m\n${line}\n`)[0], message);
  }
  const devices = Array.from(
    { length: 1025 },
    (_, i) => `  - { name: d${i}, memory_bytes: 1 GB, layer_seconds: { 1: 1 ms } }`,
  );
  assert.match(problems(`model: m\ndevices:\n${devices.join("\n")}\n`)[0], /at most 1024 entries/);
});

Deno.test("parseGraph() reads how many copies there are, and refuses contradictions where they stand", () => {
  assert.deepEqual(parseGraph("model: m", { file: "g" }).deployment, {
    min: 1,
    idle: 300,
    journal: true,
  });
  const text = "model: m\ndeployment:\n  min: 3\n  max: 2\n  keep_warm: 4\n";
  assert.deepEqual(problems(text), [
    "g.yaml:4:8: deployment.max: expected at least min (3), found 2",
    "g.yaml:5:14: deployment.keep_warm: expected at most max (2), found 4",
  ]);
  assert.match(
    problems("model: m\ndeployment: { idle: 0 }")[0],
    /:2:21: deployment.idle: expected/,
  );
  assert.match(
    problems("model: m\ndeployment: { warm: 0 }")[0],
    /deployment\.warm: unknown field; known are min/,
  );
});

Deno.test("graph.schema.json equals what graphJsonSchema() returns", async () => {
  const file = new URL("../../examples/graphs/graph.schema.json", import.meta.url);
  assert.deepEqual(
    JSON.parse(await Deno.readTextFile(file)),
    JSON.parse(JSON.stringify(graphJsonSchema())),
  );
});
