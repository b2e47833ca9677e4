/**
 * The page in a real Chromium, over real nodes: what people do on it, in light, dark and on a phone.
 *
 * `PAGE_SHOTS=FOLDER` also takes the pictures of docs/page.md.
 */
import assert from "node:assert/strict";
import { startHub } from "../clients/hub.ts";
import { runCommand } from "../support/run_command.ts";
import { writeTinyCheckpoint } from "../support/tiny_checkpoint.ts";
import { findChromium, type Look, TestBrowser, type TestPage } from "./browser.ts";
import { World } from "./worlds.ts";

const VIEWS = ["chat", "cluster", "timeline", "plan", "models", "deployments"];
const SHOTS = Deno.env.get("PAGE_SHOTS");
const CHROMIUM = await findChromium();
const ignore = CHROMIUM === undefined;
if (ignore) {
  // deno-lint-ignore no-console -- whoever runs the tests is to know why nothing ran
  console.log("skipped: no Chromium is found; install one, or name it: CHROMIUM=/path");
}

/** Takes a picture for the documentation, where that is asked for. */
async function shot({ page }: TestPage, name: string): Promise<void> {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.jpg`, type: "jpeg", quality: 50 });
}

/** Asserts that neither the console nor axe has anything against the view. */
async function assertClean(view: TestPage, where: string): Promise<void> {
  assert.deepEqual(await view.findings(), [], where);
  assert.equal(await view.overflows(), false, `${where} is wider than the window`);
  assert.deepEqual(view.errors, [], where);
  assert.deepEqual(view.strangers, [], where);
}

Deno.test({
  name: "the page over three nodes: questions, branches, a node that dies",
  ignore,
  async fn(t) {
    await using world = await World.three();
    await using browser = await TestBrowser.launch(CHROMIUM!);
    await using view = await browser.open(world.url);
    const { page } = view;

    await t.step("a question is answered, with how and why", async () => {
      await page.fill("textarea", "Why does it rain?");
      await page.keyboard.press("Enter");
      await view.reads(".answer[data-state=done] .prose", /rain/i);
      const made = await view.text(".made");
      assert.match(made, /mode\s*(plain|speculative)/);
      assert.match(made, /tokens\/s\s*[\d.]+/);
      assert.match(made, /first token\s*[\d.]+ (ms|s)/);
      assert.match(made, /nodes\s*3/);
      assert.match(await view.text(".why"), /Why:\s*.+/);
      await assertClean(view, "chat");
    });
    await t.step("the branches of an outline are seen growing side by side", async () => {
      await page.selectOption(".options select", "outline");
      await page.fill("textarea", "How do bees make honey?");
      // What each branch has, each time that something on the page changes.
      await page.evaluate(`globalThis.grown = [];
        new MutationObserver(() => {
          const live = document.querySelectorAll(".branch[data-live=true]");
          const now = [...live].map((branch) => branch.innerText.length);
          if (now.length > 1) globalThis.grown.push(now);
        }).observe(document.body, { subtree: true, childList: true, characterData: true })`);
      await page.keyboard.press("Enter");
      await view.reads("li:last-child .answer[data-state=done] .made", /branches\s*\d/);
      const grown = await page.evaluate("globalThis.grown") as number[][];
      assert.ok(grown.length >= 5, `${grown.length} pictures of growing branches`);
      const together = grown.filter((now, i) => {
        const before = grown[i - 1] ?? [];
        return now.filter((length, at) => length > (before[at] ?? 0)).length >= 2;
      });
      assert.ok(together.length >= 3, "at least two branches grew at the same time");
      assert.ok(await page.locator(".branch").count() >= 3);
      await shot(view, "page-chat");
    });
    await t.step("an answer is stopped, edited and asked again", async () => {
      await page.selectOption(".options select", "plain");
      await page.fill("textarea", "What is a volcano?");
      await page.keyboard.press("Enter");
      await page.locator(".answer[data-state=running] .prose").waitFor();
      await page.keyboard.press("Escape");
      await page.locator("li:last-child .answer[data-state=stopped]").waitFor();
      await page.locator(".question button").last().click();
      assert.equal(await page.inputValue("textarea"), "What is a volcano?");
      await page.fill("textarea", "What is a glacier?");
      await page.keyboard.press("Enter");
      await view.reads("li:last-child .answer[data-state=done]", /Ask again/);
      assert.equal(await page.locator(".question").count(), 3, "what was edited has gone");
      await page.click("text=Ask again");
      await page.locator("li:last-child .answer[data-state=running]").waitFor();
      await view.reads("li:last-child .answer[data-state=done]", /Ask again/);
      assert.equal(await page.locator(".question").count(), 3);
    });
    await t.step("markup in a question stays text", async () => {
      await page.fill("textarea", '<img src=x onerror="document.title=1">**bold**');
      await page.keyboard.press("Enter");
      await view.reads(".question", /<img src=x/);
      assert.equal(await page.locator(".turns img").count(), 0);
      await view.reads("li:last-child .answer[data-state=done]", /Ask again/);
    });
    await t.step("the timeline shows where the time went, by stage", async () => {
      await view.show("timeline");
      await view.reads(".keys", /stage 0 computes/);
      await view.reads(".keys", /stage 2 computes/);
      assert.ok(await page.locator(".timeline .frame rect").count() > 10);
      await page.click("button[aria-label=Closer]");
    });
    await t.step("an answer leads to its time, and the time back to the answer", async () => {
      await view.show("chat");
      await page.getByRole("link", { name: "Its timeline" }).first().click();
      await view.reads("select", /Why does it rain\?/);
      const request = new URL(page.url()).hash;
      assert.match(request, /^#\/timeline\?request=default%2Fgeneration%2F/);
      assert.match(await page.locator("option:checked").innerText(), /— Why does it rain\?$/);
      await page.getByRole("link", { name: "Its answer" }).click();
      await page.locator("[data-sought] .answer").waitFor();
      assert.match(await page.locator("[data-sought]").innerText(), /rain/);
      await page.goBack();
      await view.reads("select", /Why does it rain\?/);
      await page.locator(".timeline .frame rect").nth(10).waitFor();
      await shot(view, "page-timeline");
      await page.evaluate("location.hash = '#/timeline?request=gone'");
      await view.reads(".notice", /no longer has the frames of that request/);
    });
    await t.step("the cluster shows nodes with layers, load and links", async () => {
      await view.show("cluster");
      await page.locator(".box").nth(2).waitFor();
      assert.equal(await page.locator(".strip .segment").count(), 3);
      await view.reads(".link text", /(ms|µs) · [\d.]+ (B|KiB|MiB)\/s/);
      await view.reads(".box", /layers 4–5/);
      await view.reads(".box", /load.*[\d.]+ of \d/s);
      await shot(view, "page-cluster");
      await assertClean(view, "cluster");
    });
    await t.step("a second deployment is drawn beside the first", async () => {
      const mine = `${world.url}/api/deployments/mine`;
      const body = JSON.stringify({ graph: "model: embedded\n" });
      const headers = { "content-type": "application/json" };
      const applied = await fetch(mine, { method: "PUT", body, headers });
      assert.equal(applied.status, 202, await applied.text());
      const strip = page.locator(".beside .strip");
      await strip.waitFor();
      assert.match((await strip.getAttribute("aria-label"))!, /^layers 0–\d on \w+/);
      await view.reads(".beside h3", /mine\s*embedded/);
      await view.reads(".box", /mine: layers? \d/);
      await view.reads("header", /beside 1 more/);
      await shot(view, "page-beside");
      await assertClean(view, "cluster with two deployments");
      const deleted = await fetch(mine, { method: "DELETE" });
      await deleted.body?.cancel();
      await strip.waitFor({ state: "detached" });
    });
    await t.step("a node dies: it is seen gone, and its layers are elsewhere", async () => {
      world.nodes[2].kill("SIGKILL");
      await page.locator(".box[data-state=gone]").waitFor();
      assert.match(await view.text(".box[data-state=gone]"), /shed[\s\S]*gone/);
      const strip = page.locator(".strip:not([aria-label*=shed])");
      await strip.waitFor();
      const label = await strip.getAttribute("aria-label");
      assert.match(label!, /^layers 0–\d on \w+; (layers \d–\d on \w+; )?layers \d–5 on \w+$/);
      await shot(view, "page-node-lost");
    });
    await t.step("the conversation is still there, and goes on over two nodes", async () => {
      await view.show("chat");
      assert.equal(await page.locator(".question").count(), 4);
      await page.fill("textarea", "Why is the sky blue?");
      await page.keyboard.press("Enter");
      await view.reads("li:last-child .answer[data-state=done] .made", /nodes\s*2/);
    });
    assert.deepEqual(view.errors, []);
  },
});

Deno.test({
  name: "the page over one node: what if, models, deployments, every view in every look",
  ignore,
  async fn(t) {
    const folder = await Deno.makeTempDir({ prefix: "orrery-page-" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    stack.use(await startHub(folder));
    await using world = await World.one();
    await using browser = await TestBrowser.launch(CHROMIUM!);
    await using view = await browser.open(world.url);
    const { page } = view;

    await t.step("a model is added with progress, verified and removed", async () => {
      await view.show("models");
      await page.fill("input[placeholder^=owner]", "ada/tiny");
      await page.keyboard.press("Enter");
      await view.reads(".progress", /ada\/tiny is stored/);
      const row = page.locator(".rows li", { hasText: /tiny/ });
      await row.getByRole("button", { name: /^Verify/ }).click();
      await row.getByText("Every file has its hash.").waitFor();
      await shot(view, "page-models");
      await row.getByRole("button", { name: /^Remove/ }).click();
      await row.getByRole("button", { name: "Remove for good" }).click();
      await row.waitFor({ state: "detached" });
      const served = page.locator(".rows li", { hasText: "served" }).first();
      assert.equal(await served.getByRole("button", { name: /^Remove/ }).isDisabled(), true);
    });
    await t.step(
      "a model of a folder is sent, converted and stored; a faulty one leaves nothing",
      async () => {
        await writeTinyCheckpoint(`${folder}/my model`, { layers: 2, shards: 2 });
        await Deno.writeTextFile(`${folder}/my model/README.md`, "# not part of it");
        await page.getByRole("button", { name: "Folder" }).click();
        await page.setInputFiles("input[type=file]", `${folder}/my model`);
        await view.reads("form ~ p", /7 files, [\d.]+ KiB; 1 other is not part of the model/);
        assert.equal(await page.getByLabel("Name in the store").inputValue(), "my-model-q4");
        await page.getByRole("button", { name: "Add", exact: true }).click();
        await view.reads(".progress", /my-model-q4 is stored/);
        await shot(view, "page-models-folder");
        await page.locator(".rows li", { hasText: "my-model-q4" }).waitFor();
        await page.getByRole("button", { name: "Add", exact: true }).click();
        await view.reads("[role=alert]", /the store has a model my-model-q4: choose another name/);
        await page.getByRole("link", { name: "Deploy my-model-q4" }).click();
        assert.equal(await page.inputValue("form input[maxlength]"), "my-model-q4");
        assert.match(await page.inputValue(".editor textarea"), /^model: "my-model-q4"\n/);
        await page.goBack();
        await page.getByRole("button", { name: "GGUF file" }).click();
        await Deno.writeTextFile(`${folder}/wrong.gguf`, "no model at all");
        await page.setInputFiles("input[type=file]", `${folder}/wrong.gguf`);
        await page.getByRole("button", { name: "Add", exact: true }).click();
        await view.reads("[role=alert]", /wrong\.gguf does not begin as a GGUF file does/);
        const left = await Array.fromAsync(Deno.readDir(`${world.folder}/den/uploads`));
        assert.deepEqual(left, []);
      },
    );
    await t.step("the sending of a model is stopped, and nothing of it is left", async () => {
      const large = `${folder}/large.gguf`;
      await Deno.writeTextFile(large, "GGUF");
      await Deno.truncate(large, 64 << 20);
      const network = await page.context().newCDPSession(page);
      const slow = (uploadThroughput: number) =>
        network.send("Network.emulateNetworkConditions", {
          ...{ offline: false, latency: 0, downloadThroughput: -1, uploadThroughput },
        });
      await network.send("Network.enable");
      await slow(4 << 20);
      await page.setInputFiles("input[type=file]", large);
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await view.reads(".progress", /sending the files: [\d.]+ MiB of 64\.0 MiB, [\d.]+ MiB\/s/);
      await shot(view, "page-models-sending");
      await view.show("chat");
      await view.show("models"); // it goes on meanwhile
      await page.getByRole("button", { name: "Stop" }).click();
      await slow(-1);
      await view.reads("[role=alert]", /Stopped\. The node has deleted what had arrived\./);
      for (let tries = 0;; tries++) {
        const left = await Array.fromAsync(Deno.readDir(`${world.folder}/den/uploads`));
        if (left.length === 0) break;
        assert.ok(tries < 100, `${left.length} files are left after 10 s`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
    await t.step("a faulty graph file is refused at its line and column", async () => {
      await view.show("deployments");
      await page.fill("form input[maxlength]", "mine");
      await page.fill(".editor textarea", "model: embedded\n\ndeployment:\n  min: 1\n  mox: 3\n");
      await page.click("text=Check and plan");
      await view.reads(".problem", /^mine\.yaml:5:3: deployment\.mox: .*did you mean max/);
      assert.equal(await view.text(".editor li.wrong"), "5");
      await page.click("text=Show line 5");
      const marked = "const box = document.activeElement; " +
        "box.value.slice(box.selectionStart, box.selectionEnd)";
      assert.equal(await page.evaluate(marked), "mox: 3");
    });
    await t.step("a graph file is applied, scaled and deleted", async () => {
      const graph = "model: embedded\n# kept\ndeployment: { min: 1, max: 1, idle: 300 s }\n";
      await page.fill(".editor textarea", graph);
      await page.click("text=Apply >> nth=-1");
      const mine = page.locator(".deployments > li", { hasText: "mine" });
      await mine.locator(".pill[data-state=serving]").waitFor();
      await shot(view, "page-deployments");
      await mine.getByRole("button", { name: "One copy more" }).click();
      await mine.getByText("2 copies").waitFor();
      const scaled = await (await fetch(`${world.url}/api/deployments/mine`)).json();
      assert.equal(
        scaled.graph,
        "model: embedded\n# kept\ndeployment: { min: 2, max: 2, idle: 300 s }\n",
      );
      await mine.getByRole("button", { name: "Delete mine" }).click();
      await mine.getByRole("button", { name: "Delete mine" }).click();
      await mine.waitFor({ state: "detached" });
    });
    await t.step("what if there were a faster box, and what if layers were pinned", async () => {
      await planned(world.url);
      await view.show("plan");
      await view.reads(".reasons", /Drafts/);
      await page.getByLabel("One more box").check();
      const box = page.locator("fieldset", { hasText: "One more box" });
      await box.getByLabel("Speed").fill("4"); // waits until the slider can be moved
      await box.getByLabel("Latency").fill("0.1");
      await view.reads(".what-if .told", /on new box/);
      await view.reads(".figures small", /%, was/);
      await shot(view, "page-plan");
      await page.getByLabel("One more box").uncheck();
      await page.getByRole("button", { name: "As it is" }).click();
      await page.locator("fieldset", { hasText: "Pin layers" }).getByLabel("on").selectOption({
        index: 1,
      });
      await view.reads(".what-if .told", /The layers would stay/);
    });
    for (const [width, theme] of [[1280, "light"], [1280, "dark"], [390, "light"], [390, "dark"]]) {
      await t.step(`every view is whole at ${width} px, ${theme}`, async () => {
        const look = { width, theme } as Look;
        await using other = await browser.open(world.url, look);
        for (const name of VIEWS) {
          await other.show(name);
          await other.page.waitForTimeout(name === "plan" ? 1_500 : 500);
          await assertClean(other, `${name} at ${width} px, ${theme}`);
          await shot(other, `every-${name}-${width}-${theme}`);
          if (name === "chat" && width === 390 && theme === "dark") {
            await other.page.click(".example >> nth=1");
            await other.page.locator(".answer[data-state=done] .made").waitFor();
            await shot(other, "page-phone");
            await assertClean(other, "an answer on a phone");
          }
        }
      });
    }
    await t.step("the switch of the theme is kept", async () => {
      await page.click("button[aria-label^=Theme]");
      await page.click("button[aria-label^=Theme]");
      await page.reload();
      assert.equal(await page.getAttribute("html", "data-theme"), "dark");
    });
    assert.deepEqual(view.errors, []);
  },
});

Deno.test({
  name: "the page of a node with API keys asks for one once",
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "orrery-page-" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const made = await runCommand("keys", "files", ["create", "page", "--data", folder]);
    assert.equal(made.code, 0, made.stderr);
    const [key] = /orrery_\S+/.exec(made.stdout)!;
    await using world = await World.one("--api-key-file", `${folder}/api-keys.json`);
    await using browser = await TestBrowser.launch(CHROMIUM!);
    await using view = await browser.open(world.url);
    const { page } = view;
    await view.reads("dialog[open]", /needs an API key/);
    assert.deepEqual(await view.findings(), []);
    await page.fill(
      "dialog input[type=password]",
      `${key.slice(0, -1)}${key.endsWith("a") ? "b" : "a"}`,
    );
    await page.keyboard.press("Enter");
    await view.reads("dialog[open]", /not accepted/);
    await page.fill("dialog input[type=password]", key);
    await page.keyboard.press("Enter");
    await page.locator("dialog[open]").waitFor({ state: "detached" });
    await page.fill("textarea", "Why does it rain?");
    await page.keyboard.press("Enter");
    await view.reads(".answer[data-state=done] .prose", /rain/i);
    await page.reload();
    await view.reads(".ready", /serves embedded/);
    assert.equal(await page.locator("dialog[open]").count(), 0, "the key is kept in the tab");
    assert.equal(await page.evaluate("localStorage.getItem('orrery.key')"), null);
    assert.deepEqual(view.errors, []);
  },
});

/** Waits until the node has measured itself and has a plan. */
async function planned(url: string): Promise<void> {
  for (let tries = 0; tries < 180; tries++) {
    const response = await fetch(`${url}/api/plan`);
    await response.body?.cancel();
    if (response.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.fail("the node has no plan after 90 s");
}
