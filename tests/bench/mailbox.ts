// deno-lint-ignore-file no-console
/**
 * Measures mailboxes in cleartext and over mutual TLS, as nodes use them, beside a raw TCP echo:
 * `deno task bench:mailbox [--json] [--quick]`.
 *
 * A child process echoes. One-way time is half of a round trip; rounds of all transports take
 * turns, so that other work on the machine affects them alike. Then messages per second in one
 * direction are measured, then memory under a receiver that reads slowly, over TLS.
 *
 * @module
 */
import net, { type AddressInfo, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Envelope } from "../../actors/system/envelope.ts";
import {
  createMailbox,
  type MailboxTls,
  type MailboxTransport,
} from "../../runtime/mailbox/mod.ts";
import { openTrust } from "../../runtime/trust/mod.ts";
import { FrameReader } from "../../runtime/mailbox/frame_reader.ts";

const KIB = 1024;
const SIZES = [64, 8 * KIB, 256 * KIB, 4 * KIB * KIB];
const ROUNDS = 10;
/** Ids of the two processes. */
const DRIVER = "driver:0:0001", CHILD = "child:0:0002";

/** Quantiles of the one-way time, in milliseconds. */
interface Latency {
  p50: number;
  p99: number;
}

interface SizeResult {
  bytes: number;
  roundTrips: number;
  cleartext: Latency;
  tls: Latency;
  tcp: Latency;
  /** p50 of the cleartext mailbox / p50 of TCP. */
  ratio: number;
  /** p50 of the mailbox over TLS / p50 of the cleartext mailbox. */
  tlsRatio: number;
}

interface StreamResult {
  bytes: number;
  cleartextPerSecond: number;
  tlsPerSecond: number;
  tcpPerSecond: number;
}

/** Memory of the sender in MiB while the receiver takes one message every 5 ms. */
interface SlowResult {
  offeredMiB: number;
  windowMiB: number;
  rssBeforeMiB: number;
  rssPeakMiB: number;
  rssAfterMiB: number;
}

function tell(type: string, body: unknown): Envelope {
  return { kind: "tell", id: 0, to: "bench/echo/0", from: "bench/driver/0", type, body };
}

function framed(bytes: number): Uint8Array {
  const out = new Uint8Array(4 + bytes);
  new DataView(out.buffer).setUint32(0, bytes);
  return out;
}

/** Where the child process listens. */
interface Ports {
  cleartext: number;
  tls: number;
  tcp: number;
}

/** A mailbox of the child process; see {@linkcode child}. */
async function echoes(tls?: MailboxTls): Promise<MailboxTransport> {
  const mailbox = await createMailbox({ node: CHILD, tls, accept: () => true });
  let sunk = 0;
  mailbox.start({
    receive(from, envelope) {
      if (envelope.kind !== "tell") return;
      if (envelope.type === "echo") void mailbox.send(from, tell("echo", envelope.body));
      else {
        if (envelope.type === "slow") {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        }
        sunk++;
        const { last } = envelope.body as { last: boolean };
        if (last) {
          void mailbox.send(from, tell("sunk", sunk));
          sunk = 0;
        }
      }
    },
    peerLost: () => {},
  });
  return mailbox;
}

/**
 * The child process: echoes `echo`, drops `sink` and answers the last of a series, works 5 ms on
 * each `slow`.
 */
async function child(data: string): Promise<void> {
  // Both processes have the folder with the authority, so neither has to join the other.
  const tls = await openTrust({ data, node: CHILD });
  const cleartext = await echoes();
  const secure = await echoes(tls);

  const server = net.createServer({ noDelay: true }, (socket) => {
    let frames = 0;
    const reader = new FrameReader(64 * KIB * KIB, (frame) => {
      // First byte 1: echo. 0: drop. 2: drop and answer.
      if (frame[0] === 1) {
        const head = new Uint8Array(4);
        new DataView(head.buffer).setUint32(0, frame.byteLength);
        socket.cork();
        socket.write(head);
        socket.write(frame);
        socket.uncork();
        return;
      }
      frames++;
      if (frame[0] === 2) {
        socket.write(framed(1));
        frames = 0;
      }
    });
    socket.on("data", (chunk) => reader.push(chunk as Uint8Array));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  console.log(
    JSON.stringify(
      {
        cleartext: cleartext.port,
        tls: secure.port,
        tcp: (server.address() as AddressInfo).port,
      } satisfies Ports,
    ),
  );
}

/** The raw TCP side: length-prefixed frames without Nagle's algorithm. */
class RawTcp {
  onFrame: () => void = () => {};
  readonly #reader = new FrameReader(64 * KIB * KIB, () => this.onFrame());

  private constructor(readonly socket: Socket) {
    socket.on("data", (chunk) => this.#reader.push(chunk as Uint8Array));
  }

  static async connect(port: number): Promise<RawTcp> {
    const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
    await new Promise<void>((resolve, reject) =>
      socket.once("connect", resolve).once("error", reject)
    );
    return new RawTcp(socket);
  }
}

function quantiles(ms: number[]): Latency {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
  return { p50: at(0.5) / 2, p99: at(0.99) / 2 };
}

async function time(n: number, once: () => Promise<void>, into: number[]): Promise<void> {
  for (let i = 0; i < n; i++) {
    const start = performance.now();
    await once();
    into.push(performance.now() - start);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: { json: { type: "boolean" }, quick: { type: "boolean" }, child: { type: "string" } },
  });
  if (values.child) return await child(values.child);
  const scale = values.quick ? 0.1 : 1;

  const data = await Deno.makeTempDir({ prefix: "orrery-bench-" });
  const trust = await openTrust({ data, node: DRIVER });
  const echo = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-q", "--allow-all", "--no-prompt", fileURLToPath(import.meta.url)],
      ...["--child", data],
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const ports = await firstLine(echo.stdout);
  let onTell: (type: string) => void = () => {};
  const drive = async (port: number, tls?: MailboxTls) => {
    const peers = [{ node: CHILD, host: "127.0.0.1", port }];
    const mailbox = await createMailbox({ node: DRIVER, tls, peers });
    mailbox.start({
      receive: (_from, envelope) => envelope.kind === "tell" && onTell(envelope.type),
      peerLost: (peer, reason) => {
        throw new Error(`lost ${peer}: ${reason}`);
      },
    });
    return mailbox;
  };
  const cleartext = await drive(ports.cleartext);
  const secure = await drive(ports.tls, trust);
  const tcp = await RawTcp.connect(ports.tcp);
  const heard = (type: string) =>
    new Promise<void>((resolve) => {
      onTell = (got) => got === type && resolve();
    });

  const sizes: SizeResult[] = [];
  for (const bytes of SIZES) {
    const roundTrips = Math.max(2, Math.round(scale * (bytes > 1e6 ? 8 : bytes > 1e5 ? 60 : 200)));
    const body = new Uint8Array(bytes);
    const frame = framed(bytes);
    frame[4] = 1;
    const over = (mailbox: MailboxTransport) => async () => {
      const back = heard("echo");
      await mailbox.send(CHILD, tell("echo", body));
      await back;
    };
    const overTcp = () =>
      new Promise<void>((resolve) => {
        tcp.onFrame = resolve;
        tcp.socket.write(frame);
      });
    const ways = [over(cleartext), over(secure), overTcp];
    const ms: number[][] = ways.map(() => []);
    for (const way of ways) await time(roundTrips, way, []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, way] of ways.entries()) await time(roundTrips, way, ms[i]);
    }
    const [a, b, c] = ms.map(quantiles);
    sizes.push({
      bytes,
      roundTrips: roundTrips * ROUNDS,
      cleartext: a,
      tls: b,
      tcp: c,
      ratio: a.p50 / c.p50,
      tlsRatio: b.p50 / a.p50,
    });
  }

  const streams: StreamResult[] = [];
  for (const [bytes, full] of [[64, 100_000], [8 * KIB, 20_000]]) {
    const n = Math.round(full * scale);
    const through = (mailbox: MailboxTransport) =>
      perSecond(n, () => streamMailbox(mailbox, n, bytes, "sink", heard("sunk")));
    // Medians of three, taken by turns.
    const runs: number[][] = [[], [], []];
    for (let i = 0; i < 3; i++) {
      runs[0].push(await through(cleartext));
      runs[1].push(await through(secure));
      runs[2].push(await perSecond(n, () => streamTcp(tcp, n, bytes)));
    }
    const [clear, tls, raw] = runs.map((r) => r.toSorted((x, y) => x - y)[1]);
    streams.push({ bytes, cleartextPerSecond: clear, tlsPerSecond: tls, tcpPerSecond: raw });
  }

  const slow = await slowReceiver(secure, Math.round(1200 * scale), heard);
  tcp.socket.destroy();
  await cleartext.close();
  await secure.close();
  echo.kill("SIGTERM");
  await echo.status;
  trust.close();
  await Deno.remove(data, { recursive: true });
  if (values.json) console.log(JSON.stringify({ sizes, streams, slow }, null, 2));
  else print(sizes, streams, slow);
}

async function perSecond(n: number, run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return Math.round(n / ((performance.now() - start) / 1000));
}

async function streamMailbox(
  mailbox: MailboxTransport,
  n: number,
  bytes: number,
  type: string,
  done: Promise<void>,
): Promise<void> {
  const data = new Uint8Array(bytes);
  for (let i = 0; i < n; i++) await mailbox.send(CHILD, tell(type, { last: i === n - 1, data }));
  await done;
}

async function streamTcp(tcp: RawTcp, n: number, bytes: number): Promise<void> {
  const done = new Promise<void>((resolve) => tcp.onFrame = resolve);
  for (let i = 0; i < n; i++) {
    const frame = framed(bytes);
    if (i === n - 1) frame[4] = 2;
    if (!tcp.socket.write(frame)) {
      await new Promise<void>((resolve) => tcp.socket.once("drain", () => resolve()));
    }
  }
  await done;
}

/**
 * Sends messages of 256 KiB as fast as `send` accepts them to a receiver that takes 200 a second.
 */
async function slowReceiver(
  mailbox: MailboxTransport,
  n: number,
  heard: (type: string) => Promise<void>,
): Promise<SlowResult> {
  const rss = () => Deno.memoryUsage().rss / KIB / KIB;
  const bytes = 256 * KIB;
  const before = rss();
  let peak = before;
  let window = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, rss());
    window = Math.max(window, mailbox.peers()[0].queuedBytes / KIB / KIB);
  }, 20);
  const done = heard("sunk");
  for (let i = 0; i < n; i++) {
    // Every message has a body of its own, as a stage's messages have.
    await mailbox.send(CHILD, tell("slow", { last: i === n - 1, data: new Uint8Array(bytes) }));
  }
  await done;
  clearInterval(timer);
  return {
    offeredMiB: (n * bytes) / KIB / KIB,
    windowMiB: window,
    rssBeforeMiB: before,
    rssPeakMiB: peak,
    rssAfterMiB: rss(),
  };
}

async function firstLine(
  stdout: ReadableStream<Uint8Array>,
): Promise<Ports> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return JSON.parse(text);
}

function print(sizes: SizeResult[], streams: StreamResult[], slow: SlowResult): void {
  const label = (bytes: number) =>
    bytes < KIB
      ? `${bytes} B`
      : bytes < KIB * KIB
      ? `${bytes / KIB} KiB`
      : `${bytes / KIB / KIB} MiB`;
  const ms = (value: number) => value.toFixed(3).padStart(10);
  console.log(
    "one way, ms     cleartext       p99    mutual TLS   p99       TCP       p99   TLS/clear  clear/TCP",
  );
  for (const { bytes, cleartext, tls, tcp, ratio, tlsRatio } of sizes) {
    const figures = [cleartext, tls, tcp].map(({ p50, p99 }) => ms(p50) + ms(p99)).join("");
    console.log(
      `${label(bytes).padEnd(14)}${figures}${tlsRatio.toFixed(2).padStart(10)}${
        ratio.toFixed(2).padStart(11)
      }`,
    );
  }
  console.log("\none way, messages/s   cleartext  mutual TLS       TCP   clear/TLS   TCP/clear");
  for (const { bytes, cleartextPerSecond, tlsPerSecond, tcpPerSecond } of streams) {
    const cells = [cleartextPerSecond, tlsPerSecond, tcpPerSecond].map((n) =>
      String(n).padStart(11)
    );
    const ratios = [cleartextPerSecond / tlsPerSecond, tcpPerSecond / cleartextPerSecond];
    console.log(
      `${label(bytes).padEnd(20)}${cells.join("")}${
        ratios.map((r) => r.toFixed(2).padStart(11)).join("")
      }`,
    );
  }
  const mib = (value: number) => `${value.toFixed(0)} MiB`;
  console.log(
    `\nslow receiver: offered ${mib(slow.offeredMiB)}, window at most ${mib(slow.windowMiB)}; ` +
      `rss before ${mib(slow.rssBeforeMiB)}, peak ${mib(slow.rssPeakMiB)}, after ${
        mib(slow.rssAfterMiB)
      }`,
  );
}

if (import.meta.main) await main();
