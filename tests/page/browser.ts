/**
 * A real Chromium that shows the page of a node, and what it says against it.
 *
 * @module
 */
import { type Browser, chromium, type Page } from "playwright-core";
import axe from "axe-core";

/** Where Chromium is looked for, unless the variable `CHROMIUM` names a program. */
const PROGRAMS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** A finding of axe that a user of a screen reader or a keyboard would meet. */
export interface Finding {
  id: string;
  impact: string;
  /** Selectors of the elements. */
  at: string[];
}

/** Path of a Chromium of this machine; undefined: there is none. */
export async function findChromium(): Promise<string | undefined> {
  const asked = Deno.env.get("CHROMIUM");
  if (asked) return asked;
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/snap/bin"];
  for (const program of PROGRAMS) {
    for (const folder of folders) {
      const path = `${folder}/${program}`;
      if (await Deno.stat(path).then((info) => info.isFile, () => false)) return path;
    }
  }
  return undefined;
}

/** Chromium, until it is disposed of. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(executablePath: string): Promise<TestBrowser> {
    // Root, which CI often is, may not use Chromium's sandbox; only pages of test nodes are opened.
    const args = ["--no-sandbox", "--disable-dev-shm-usage"];
    return new TestBrowser(await chromium.launch({ executablePath, args }));
  }

  /** Opens a page of a node. */
  async open(url: string, look: Look = {}): Promise<TestPage> {
    const { width = 1280, theme = "light" } = look;
    const page = await this.#browser.newPage({
      viewport: { width, height: width < 500 ? 844 : 820 },
      colorScheme: theme,
      reducedMotion: "reduce",
    });
    page.setDefaultTimeout(PATIENCE_MS);
    const opened = new TestPage(page);
    await page.goto(url);
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Longest wait for anything on a page, milliseconds. */
export const PATIENCE_MS = 90_000;

/** How a page is looked at. */
export interface Look {
  /** Of the window, CSS pixels. @default 1280 */
  width?: number;
  /** What the system prefers. @default "light" */
  theme?: "light" | "dark";
}

/** A page, with what its console said. */
export class TestPage implements AsyncDisposable {
  /** Errors of the console and of scripts; refusals of the API that a step expects left out. */
  readonly errors: string[] = [];
  /** Requests to other hosts than the node's. */
  readonly strangers: string[] = [];

  constructor(readonly page: Page) {
    page.on("pageerror", (error) => this.errors.push(String(error.stack ?? error)));
    page.on("console", (message) => {
      if (!["error", "warning"].includes(message.type())) return;
      const { url } = message.location();
      const text = `${message.text()} (${url})`;
      if (!EXPECTED.some((form) => form.test(text))) this.errors.push(text);
    });
    page.on("request", (request) => {
      const { host, protocol } = new URL(request.url());
      if (
        protocol !== "data:" && host !== new URL(page.url()).host && page.url() !== "about:blank"
      ) {
        this.strangers.push(request.url());
      }
    });
  }

  /** Shows a view and waits for its title. */
  async show(view: string): Promise<void> {
    await this.page.click(`nav a[href="#/${view}"]`);
    await this.page.waitForSelector(`nav a[href="#/${view}"][aria-current="page"]`);
  }

  /** Text content of the element, once it is there; a drawing has no other text. */
  async text(selector: string): Promise<string> {
    return await this.page.locator(selector).first().textContent() ?? "";
  }

  /** Waits until the element's text matches. */
  async reads(selector: string, pattern: RegExp): Promise<void> {
    const all = this.page.locator(selector);
    try {
      await all.filter({ hasText: pattern }).first().waitFor();
    } catch (error) {
      const texts = JSON.stringify(await all.allTextContents());
      throw new Error(`${selector} does not read ${pattern}, but ${texts}`, { cause: error });
    }
  }

  /** What axe finds that is serious or critical. */
  async findings(): Promise<Finding[]> {
    await this.page.evaluate(axe.source);
    const { violations } = await this.page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axe }).axe.run()
    );
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(
      ({ id, impact, nodes }) => ({
        id,
        impact: `${impact}`,
        at: nodes.map(({ target, failureSummary }) => `${target.join(" ")}: ${failureSummary}`),
      }),
    );
  }

  /** Whether something is wider than the window. */
  async overflows(): Promise<boolean> {
    return await this.page.evaluate("document.documentElement.scrollWidth > innerWidth");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.close();
  }
}

/** What Chromium itself logs of answers that are no success: of faulty files, and without a plan or a key. */
const EXPECTED = [
  /^Failed to load resource: .* 400 .*\/api\/deployments\//,
  /^Failed to load resource: .* 404 .*\/api\/plan\)/,
  /^Failed to load resource: .* 40[09] .*\/api\/models\)/,
  /^Failed to load resource: .* 401 /,
];
