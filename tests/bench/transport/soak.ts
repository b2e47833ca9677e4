/**
 * The soak of `deno task soak:transport`: see `tests/bench/transport_soak.ts`.
 *
 * @module
 */
import net, { type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { encodeCbor } from "../../../runtime/mailbox/mod.ts";
import { hello, message, reply } from "../../support/mailbox_nodes.ts";
import {
  frameOf,
  PREFACE,
  requestFrame,
  responseFrame,
  SETTINGS_FRAME,
  surprise,
} from "./hostile_bytes.ts";

/** Options of {@linkcode soakTransport}. */
export interface SoakOptions {
  /** Connections to be made, those of the process to hostile peers counted too. */
  connects: number;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Connections at once. @default 24 */
  parallel?: number;
  /** Hostile peers that the process dials. @default 8 */
  peers?: number;
  /** Called every few seconds. @default nobody is told */
  onProgress?: (line: string) => void;
}

/** What came of it. */
export interface SoakResult {
  /** Connections to the process, and of the process. */
  taken: number;
  dialled: number;
  /** How often the process died, and what it said. */
  deaths: number;
  said: string[];
  /** Milliseconds that it took. */
  ms: number;
}

/** A process with a mailbox, started again where it dies. */
class Victim {
  readonly #child: Deno.ChildProcess;
  readonly port: Promise<number>;
  /** Resolves to the text of its death. */
  readonly died: Promise<string>;
  #over = false;

  constructor(ports: readonly number[]) {
    const program = fileURLToPath(new URL("./victim.ts", import.meta.url));
    const config = fileURLToPath(new URL("../../../deno.json", import.meta.url));
    const child = this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-check", "-A", "--config", config, program, JSON.stringify(ports)],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const port = Promise.withResolvers<number>();
    this.port = port.promise;
    void (async () => {
      const lines = createInterface({ input: Readable.fromWeb(child.stdout) });
      for await (const line of lines) {
        if (line.startsWith("port ")) port.resolve(Number(line.slice(5)));
      }
    })();
    this.died = (async () => {
      const [text, { code, signal }] = await Promise.all([
        new Response(child.stderr).text(),
        child.status,
      ]);
      const said = `exit code ${code}, signal ${signal}: ${text.slice(0, 900)}`;
      port.reject(new Error(said));
      return said;
    })();
    this.port.catch(() => {});
  }

  /** Did it end because {@linkcode end} said so? */
  get over(): boolean {
    return this.#over;
  }

  async end(): Promise<void> {
    this.#over = true;
    try {
      this.#child.kill("SIGKILL");
    } catch { /* it is dead */ }
    await this.died;
  }
}

/** Runs the soak. */
export async function soakTransport(
  { connects, random, parallel = 24, peers = 8, onProgress = () => {} }: SoakOptions,
): Promise<SoakResult> {
  const begun = performance.now();
  const result: SoakResult = { taken: 0, dialled: 0, deaths: 0, said: [], ms: 0 };
  const servers = await Promise.all(
    Array.from({ length: peers }, () => hostilePeer(random, () => result.dialled++)),
  );
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port);
  let victim = new Victim(ports);
  const watch = (one: Victim): void =>
    void one.died.then((said) => {
      if (one.over) return;
      result.deaths++;
      result.said.push(said);
      onProgress(said);
      victim = new Victim(ports);
      watch(victim);
    });
  watch(victim);
  const done = () => result.taken + result.dialled >= connects || result.deaths >= 5;
  const progress = setInterval(
    () => onProgress(`${result.taken} taken, ${result.dialled} dialled, ${result.deaths} deaths`),
    5_000,
  );
  await Promise.all(Array.from({ length: parallel }, async () => {
    while (!done()) {
      const port = await victim.port.catch(() => undefined);
      if (port === undefined) {
        await pause(50);
        continue;
      }
      await attack(port, random);
      result.taken++;
    }
  }));
  clearInterval(progress);
  await victim.end();
  for (const server of servers) server.close();
  result.ms = Math.round(performance.now() - begun);
  return result;
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Writes parts with pauses between some of them, cut at any byte, and breaks the connection. */
async function play(socket: Socket, parts: Uint8Array[], random: () => number): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed) return;
    const at = random() < 0.3 ? Math.floor(random() * part.length) : part.length;
    socket.write(part.subarray(0, at));
    if (at < part.length) {
      if (random() < 0.3) break; // amid a frame
      await pause(random() < 0.5 ? 0 : random() * 5);
      socket.write(part.subarray(at));
    }
    if (random() < 0.3) await pause(random() * 10);
  }
  if (random() < 0.3) await pause(random() * 40);
  if (random() < 0.4) socket.resetAndDestroy();
  else if (random() < 0.5) socket.destroy();
  else {
    socket.end();
    await pause(random() * 20);
    socket.destroy();
  }
}

/** A client of the process. */
async function attack(port: number, random: () => number): Promise<void> {
  const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  socket.resume();
  const parts = [PREFACE, SETTINGS_FRAME];
  const paths = ["/mailbox/v1", "/mailbox/v1/node", "/other"];
  for (let stream = 1, n = Math.floor(random() * 4); n >= 0; n--, stream += 2) {
    parts.push(requestFrame(stream, paths[Math.floor(random() * 3)], random() < 0.3));
    const node = `s${Math.floor(random() * 50)}`;
    const said = { ...hello, node, to: "victim", incarnation: 1 + Math.floor(random() * 9) };
    if (random() < 0.7) parts.push(frameOf(0, { stream, payload: framed(said) }));
    if (random() < 0.5) parts.push(frameOf(0, { stream, payload: message(1, reply(1)) }));
    while (random() < 0.6) parts.push(surprise(random));
  }
  await play(socket, parts, random);
  await closed;
}

/** A control frame of a mailbox. */
function framed(value: object): Uint8Array {
  const body = encodeCbor(value);
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, 4);
  return frame;
}

/** A peer that the process dials, and that breaks whatever it began. */
function hostilePeer(random: () => number, onConnection: () => void): Promise<Server> {
  const server = net.createServer((socket) => {
    onConnection();
    socket.on("error", () => {});
    socket.resume();
    const { port } = server.address() as net.AddressInfo;
    const parts = [SETTINGS_FRAME, frameOf(4, { flags: 1 })];
    if (random() < 0.8) parts.push(responseFrame(1));
    const welcome = { t: "welcome", v: 1, node: `p${port}`, incarnation: 1, received: 0 };
    if (random() < 0.7) parts.push(frameOf(0, { stream: 1, payload: framed(welcome) }));
    while (random() < 0.7) parts.push(surprise(random));
    void play(socket, parts, random);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
