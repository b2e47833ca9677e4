/**
 * A graph file's text with another number of copies: `min` and `max` of its section `deployment`. The
 * rest of the text stays as it is, comments too. Pure.
 *
 * @module
 */

/**
 * Throws an Error where the section cannot be changed by its lines: then it is to be edited by hand.
 * @param {string} text YAML or JSON.
 * @param {number} copies
 */
export function scaledGraph(text, copies) {
  const wanted = { min: copies, max: copies };
  if (text.trimStart().startsWith("{")) {
    const graph = JSON.parse(text);
    return JSON.stringify({ ...graph, deployment: { ...graph.deployment, ...wanted } }, null, 2);
  }
  const lines = text.split("\n");
  const at = lines.findIndex((line) => /^deployment:/.test(line));
  if (at < 0) {
    return `${text.trimEnd()}\n\ndeployment: { min: ${copies}, max: ${copies} }\n`;
  }
  const flow = /^deployment:\s*\{([^{}#]*)\}(.*)$/.exec(lines[at]);
  if (flow) {
    const others = flow[1].split(",").map((entry) => entry.trim())
      .filter((entry) => entry !== "" && !/^(min|max)\s*:/.test(entry));
    const entries = [`min: ${copies}`, `max: ${copies}`, ...others].join(", ");
    lines[at] = `deployment: { ${entries} }${flow[2]}`;
    return lines.join("\n");
  }
  if (!/^deployment:\s*(#.*)?$/.test(lines[at])) {
    throw new Error("the section deployment is written in a way that only you can change: edit it");
  }
  const end = lines.findIndex((line, i) => i > at && /^[^\s#]/.test(line));
  const section = lines.slice(at + 1, end < 0 ? undefined : end);
  const rest = section.filter((line) => !/^\s+(min|max)\s*:/.test(line));
  const indent = /^(\s+)\S/.exec(section.find((line) => /^\s+[^\s#]/.test(line)) ?? "  x")[1];
  const own = [`${indent}min: ${copies}`, `${indent}max: ${copies}`];
  lines.splice(at + 1, section.length, ...own, ...rest);
  return lines.join("\n");
}
