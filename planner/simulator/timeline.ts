/**
 * Timelines of traces, simulated or real: an SVG, or bars for a terminal. The same trace gives the
 * same text.
 *
 * @module
 */
import { type SpanKind, type TraceSpan, utilisation } from "./trace.ts";

/** Colour of each kind of work. */
const COLOURS: Record<SpanKind, string> = {
  prefill: "#3b6fb6",
  decode: "#2e9e6b",
  branch: "#8ac24a",
  draft: "#e0a526",
  transfer: "#8f8fa8",
  wasted: "#cf4b3f",
  idle: "#d9d9e0",
};
const KINDS = Object.keys(COLOURS) as SpanKind[];

/**
 * Sizes in the SVG, in pixels: its width, the distance of lanes, the height of a span, the margin,
 * the first lane's top, the mean width of a letter.
 */
const WIDTH = 1200, ROW = 24, BAR = 16, MARGIN = 16, TOP = 74, LETTER = 6.7;
/** Most ticks of the time axis. */
const TICKS = 10;

/**
 * A self-contained SVG document with one row for each lane, in the order of the lanes' first spans.
 * Spans are coloured by kind and described by hover titles; there is a legend and a time axis.
 * Spans narrower than a tenth of a pixel are left out. Text is escaped.
 */
export function timelineSvg(trace: TraceSpan[], { title }: { title: string }): string {
  const lanes = [...new Set(trace.map((s) => s.lane))];
  const { start_s, end_s } = extent(trace);
  const longest = Math.max(4, ...lanes.map((lane) => [...lane].length));
  const left = Math.round(Math.min(360, MARGIN * 2 + longest * LETTER));
  const bottom = TOP + Math.max(1, lanes.length) * ROW;
  const scale = (WIDTH - left - MARGIN) / Math.max(end_s - start_s, 1e-9);
  const x = (seconds: number) => left + (seconds - start_s) * scale;
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${
      bottom + 48
    }" width="${WIDTH}" height="${bottom + 48}"` +
    ` font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${MARGIN}" y="26" font-size="16" font-weight="600" fill="#222222">${
      escaped(title)
    }</text>`,
  ];
  let at = MARGIN;
  for (const kind of KINDS.filter((k) => trace.some((s) => s.kind === k))) {
    out.push(`<rect x="${at}" y="42" width="12" height="12" rx="2" fill="${COLOURS[kind]}"/>`);
    out.push(`<text x="${at + 17}" y="52" fill="#444444">${kind}</text>`);
    at += 34 + kind.length * 7;
  }
  for (const { seconds, label } of ticks(start_s, end_s)) {
    const px = fixed(x(seconds));
    out.push(`<line x1="${px}" y1="${TOP - 6}" x2="${px}" y2="${bottom}" stroke="#e4e4ea"/>`);
    out.push(
      `<text x="${px}" y="${bottom + 18}" text-anchor="middle" fill="#555555">${label}</text>`,
    );
  }
  out.push(
    `<text x="${WIDTH - MARGIN}" y="${bottom + 38}" text-anchor="end" fill="#555555">time since ${
      start_s === 0 ? "the start" : duration(start_s)
    }</text>`,
  );
  for (const [i, lane] of lanes.entries()) {
    const y = TOP + i * ROW;
    out.push(
      `<text x="${left - 8}" y="${y + 13}" text-anchor="end" fill="#222222">${
        escaped(lane)
      }</text>`,
    );
    out.push(
      `<line x1="${left}" y1="${y + ROW - 4}" x2="${WIDTH - MARGIN}" y2="${
        y + ROW - 4
      }" stroke="#f0f0f4"/>`,
    );
    for (const span of trace) {
      if (span.lane !== lane) continue;
      const width = (span.end_s - span.start_s) * scale;
      if (width < 0.1) continue;
      const times = `${duration(span.start_s)} to ${duration(span.end_s)}, ${
        duration(span.end_s - span.start_s)
      }`;
      out.push(
        `<rect x="${fixed(x(span.start_s))}" y="${y}" width="${
          fixed(Math.max(0.5, width))
        }" height="${BAR}"` +
          ` fill="${COLOURS[span.kind]}"><title>${
            escaped(`${span.label}\n${span.kind}: ${times}`)
          }</title></rect>`,
      );
    }
  }
  out.push("</svg>");
  return out.join("\n") + "\n";
}

/**
 * Lines for a terminal. Each lane has its busy share and a time line, in which a character stands
 * for a time step and names the kind of work that took most of it.
 *
 * @param options.width characters of the time line. @default 60
 */
export function timelineText(trace: TraceSpan[], { width = 60 }: { width?: number } = {}): string {
  const lanes = [...new Set(trace.map((s) => s.lane))];
  const window = extent(trace);
  const step = Math.max(window.end_s - window.start_s, 1e-9) / width;
  const busy = utilisation(trace, window);
  const longest = Math.max(0, ...lanes.map((lane) => [...lane].length));
  const used = new Set<SpanKind>();
  const lines = lanes.map((lane) => {
    const spans = trace.filter((s) => s.lane === lane);
    let line = "";
    for (let i = 0; i < width; i++) {
      const [from, to] = [window.start_s + i * step, window.start_s + (i + 1) * step];
      const seconds = new Map<SpanKind, number>();
      for (const { kind, start_s, end_s } of spans) {
        const inside = Math.min(end_s, to) - Math.max(start_s, from);
        if (inside > 0) seconds.set(kind, (seconds.get(kind) ?? 0) + inside);
      }
      const [kind, most] = [...seconds].reduce((a, b) => b[1] > a[1] ? b : a, [
        "idle" as SpanKind,
        0,
      ]);
      if (most > 0) used.add(kind);
      line += most > 0 ? LETTERS[kind] : " ";
    }
    const share = `${Math.round(100 * Math.min(1, busy.get(lane)!))} %`.padStart(5);
    return `${lane}${" ".repeat(longest - [...lane].length)} ${share} |${line}|`;
  });
  const legend = KINDS.filter((k) => used.has(k)).map((k) => `${LETTERS[k]} ${k}`).join("  ");
  const axis = `${" ".repeat(longest + 7)} ${duration(window.start_s)} .. ${
    duration(window.end_s)
  }   ${legend}`;
  return [...lines, axis].join("\n") + "\n";
}

/** Letter of each kind of work in a terminal. */
const LETTERS: Record<SpanKind, string> = {
  prefill: "P",
  decode: "D",
  branch: "B",
  draft: "d",
  transfer: "-",
  wasted: "x",
  idle: ".",
};

/** From the first span's beginning to the last one's end. */
function extent(trace: TraceSpan[]): { start_s: number; end_s: number } {
  let [start_s, end_s] = [Infinity, -Infinity];
  for (const span of trace) {
    start_s = Math.min(start_s, span.start_s);
    end_s = Math.max(end_s, span.end_s);
  }
  return trace.length > 0 ? { start_s, end_s } : { start_s: 0, end_s: 1 };
}

/** Round moments after the start, at most {@linkcode TICKS}. */
function ticks(start_s: number, end_s: number): { seconds: number; label: string }[] {
  const span = Math.max(end_s - start_s, 1e-9);
  const power = 10 ** Math.floor(Math.log10(span / TICKS));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= TICKS)!;
  return Array.from({ length: Math.floor(span / step + 1e-9) + 1 }, (_, i) => ({
    seconds: start_s + i * step,
    label: i === 0 ? "0" : duration(i * step),
  }));
}

/** Seconds as text with three digits and a unit. */
function duration(seconds: number): string {
  const [value, unit] = Math.abs(seconds) >= 1 || seconds === 0
    ? [seconds, "s"]
    : Math.abs(seconds) >= 1e-3
    ? [seconds * 1e3, "ms"]
    : [seconds * 1e6, "µs"];
  return `${Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3))} ${unit}`;
}

/** Pixels with at most two decimals. */
function fixed(pixels: number): string {
  return String(Math.round(pixels * 100) / 100);
}

function escaped(text: string): string {
  // control characters are not allowed in XML
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "?").replaceAll("&", "&amp;").replaceAll(
    "<",
    "&lt;",
  )
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
