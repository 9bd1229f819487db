// What holds for every view: accessibility, size, widths, the policy; and what needs a daemon of its own.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { AxeResults } from "axe-core";
import type { Browser } from "playwright-core";
import { Daemon, kFakeNvml, kPatience, kRecording, kViews, launch, makeDemoModels, open, removeFolder, temporaryFolder, visit } from "./support";

// Runs axe in the page by the debugger, which its content policy does not concern.
const axeSource = readFile(createRequire(path.resolve("package.json")).resolve("axe-core/axe.min.js"), "utf8");

// Where pictures are left to be looked at; nowhere by default.
const kShots = process.env.GREENROOM_WEB_SHOTS;

let browser: Browser;
let home: string;
let daemon: Daemon;

beforeAll(async () => {
  home = await temporaryFolder();
  [browser] = await Promise.all([launch(), makeDemoModels(path.join(home, "demo"))]);
  daemon = await Daemon.start(home, ["--model-root", path.join(home, "demo")]);
  for (const name of ["alto", "tenor", "index_tts"]) await daemon.post("/api/v1/models", { path: path.join(home, "demo", name) });
  const { models } = await daemon.get<{ models: { id: string; type: string }[] }>("/api/v1/models");
  for (const { id } of models.filter((model) => model.type === "ddsp_svc")) await daemon.post(`/api/v1/models/${encodeURIComponent(id)}/load`);
});

afterAll(async () => {
  await browser?.close();
  await daemon?.stop();
  await removeFolder(home);
});

describe("every view", () => {
  for (const language of ["en", "zh"]) {
    for (const colorScheme of ["light", "dark"] as const) {
      it(`has nothing axe objects to, in ${language}, ${colorScheme}`, async () => {
        const { page, context, watch } = await visit(browser, daemon.url, { locale: language === "zh" ? "zh-CN" : "en-GB", colorScheme, reducedMotion: "reduce" });
        await page.locator("li.model").first().waitFor();
        await page.evaluate(await axeSource);
        for (const view of kViews) {
          await open(page, view);
          if (view === "models") await page.locator("[aria-expanded=false]").evaluateAll((all) => all.forEach((one) => (one as HTMLElement).click()));
          if (view === "gpu") await page.locator(".chart").first().waitFor();
          const results = await page.evaluate(async () => (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run());
          const found = results.violations.map((one) => `${view}: ${one.id} (${one.impact}): ${one.nodes.map((node) => node.html).join(" ")}`);
          expect(found).toEqual([]);
        }
        expect(watch.complaints).toEqual([]);
        expect(watch.foreign).toEqual([]);
        await context.close();
      });
    }
  }

  it("fits from a phone to a desk, in both languages", async () => {
    const wide: string[] = [];
    for (const width of [360, 768, 1440]) {
      for (const locale of ["en-GB", "zh-CN"]) {
        const { page, context } = await visit(browser, daemon.url, { viewport: { width, height: 800 }, locale });
        await page.locator("li.model").first().waitFor();
        for (const view of kViews) {
          await open(page, view);
          const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          if (over > 0) wide.push(`${view} at ${width}, ${locale}: ${over} px too wide`);
        }
        await context.close();
      }
    }
    expect(wide).toEqual([]);
  });

  it("can be reached and read with the keyboard alone", async () => {
    const { page, context } = await visit(browser, daemon.url);
    await page.locator("li.model").first().waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to content");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    await page.getByRole("link", { name: "Tasks" }).focus();
    await page.keyboard.press("Enter");
    await page.locator('section.view[aria-labelledby="tasks-title"]').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    await context.close();
  });

  it("takes the chosen theme over the system's, also after a reload", async () => {
    const { page, context } = await visit(browser, daemon.url, { colorScheme: "dark" });
    const paper = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(await paper()).toBe("rgb(14, 17, 22)");
    await page.getByRole("button", { name: "Light" }).click();
    expect(await paper()).toBe("rgb(250, 249, 246)");
    await page.reload();
    expect(await paper()).toBe("rgb(250, 249, 246)");
    await context.close();
  });
});

describe("what is served", () => {
  const get = (where: string, encoding: string): Promise<Response> => fetch(daemon.url + where, { headers: { "Accept-Encoding": encoding } });
  const names = async (): Promise<string[]> => [...(await (await get("/", "identity")).text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]!);

  it("allows nothing from elsewhere", async () => {
    const policy = (await get("/", "identity")).headers.get("Content-Security-Policy") ?? "";
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain("unsafe");
    expect(policy).not.toMatch(/https?:/);
  });

  it("is the same in every coding, and kept by the browser when its name says what it is", async () => {
    for (const name of await names()) {
      const plain = await get(name, "identity");
      const text = await plain.text();
      for (const coding of ["br", "gzip"]) {
        const answer = await get(name, coding);
        if (text.length > 1000) expect(answer.headers.get("Content-Encoding")).toBe(coding);
        expect(await answer.text()).toBe(text);
      }
      expect(plain.headers.get("Cache-Control")).toContain(name.startsWith("/assets/") ? "immutable" : "no-cache");
      const again = await fetch(daemon.url + name, { headers: { "If-None-Match": plain.headers.get("ETag") ?? "" } });
      expect(again.status).toBe(304);
    }
  });

  it("is small: at most 60 kB to begin with, 30 kB to try models", async () => {
    const { page, context } = await visit(browser, daemon.url);
    const sizes = (pattern: string): Promise<number> =>
      page.evaluate(
        (name) =>
          (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
            .filter((entry) => new RegExp(name).test(entry.name))
            .reduce((sum, entry) => sum + entry.encodedBodySize, 0),
        pattern,
      );
    await page.locator("li.model").first().waitFor();
    const first = await sizes("/assets/|theme|icon");
    expect(first).toBeGreaterThan(10_000);
    expect(first).toBeLessThanOrEqual(60_000);
    await open(page, "try");
    const chunk = (await sizes("/assets/")) - (await sizes("/assets/index-"));
    expect(chunk).toBeGreaterThan(1000);
    expect(chunk).toBeLessThanOrEqual(30_000);
    await context.close();
  });
});

describe("another daemon", () => {
  it("makes its demo models in one click", async () => {
    const empty = await temporaryFolder();
    const other = await Daemon.start(empty);
    const { page, context, watch } = await visit(browser, other.url);
    await page.getByRole("button", { name: "Make demo models" }).click();
    await page.locator("li.model", { hasText: "alto" }).waitFor();
    await page.locator("li.model", { hasText: "tenor" }).waitFor();
    expect(watch.complaints).toEqual([]);
    await context.close();
    await other.stop();
    await removeFolder(empty);
  });

  it("that asks for a key is asked with it", async () => {
    const empty = await temporaryFolder();
    const other = await Daemon.start(empty, ["--api-key", "a key that nobody guesses"]);
    const { page, context } = await visit(browser, other.url);
    const dialog = page.getByRole("dialog", { name: "This greenroom asks for a key" });
    await dialog.getByLabel("API key").fill("wrong");
    await dialog.getByRole("button", { name: "Use this key" }).click();
    await dialog.getByText("That key is not the right one.").waitFor();
    await dialog.getByLabel("API key").fill("a key that nobody guesses");
    await dialog.getByRole("button", { name: "Use this key" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("heading", { name: "Nobody is in the green room yet" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Nobody is in the green room yet" }).waitFor();
    await context.close();
    await other.stop();
    await removeFolder(empty);
  });

  it("with a GPU shows what the GPU says", async () => {
    const empty = await temporaryFolder();
    const scenario = path.join(empty, "scenario");
    await writeFile(
      scenario,
      [
        "driver 560.35.03",
        "cuda 12060",
        "gpu NVIDIA L40S | GPU-0a1b | 00000000:01:00.0",
        "memory 48318382080 9663676416 644245094",
        "utilisation 37 12",
        "celsius 61",
        "milliwatts 143000 350000",
        "process 4194301 429496730",
      ].join("\n"),
    );
    const other = await Daemon.start(empty, [], 0, { GREENROOM_NVML_LIBRARY: kFakeNvml, GREENROOM_NVML_SCENARIO: scenario });
    const { page, context, watch } = await visit(browser, other.url);
    await page.getByRole("region", { name: "Memory of GPU 0" }).waitFor();
    await open(page, "gpu");
    const card = page.locator(".device", { hasText: "NVIDIA L40S" });
    for (const figure of ["37 %", "61 °C", "143 W", "of 350 W"]) await card.getByText(figure, { exact: true }).waitFor();
    for (const chart of ["Memory in use", "Power", "Temperature"]) await page.getByRole("figure", { name: new RegExp(`^${chart}\\. .*GPU 0: now`) }).waitFor();
    expect(watch.complaints).toEqual([]);
    await context.close();
    await other.stop();
    await removeFolder(empty);
  });

  it("with room for one shows what a load would unload, before it does", async () => {
    const other = await Daemon.start(await temporaryFolder(), ["--memory-budget", "cpu=22MiB", "--model-root", home]);
    await other.post("/api/v1/models", { path: path.join(home, "demo/alto"), id: "alto" });
    await other.post("/api/v1/models", { path: path.join(home, "demo/index_tts"), id: "speaker" });
    // Used, and held by nobody since: it stays as long as nobody needs the room.
    const form = new FormData();
    for (const [name, value] of Object.entries({ text: "Hi", num_beams: "1", max_mel_tokens: "20", diffusion_steps: "1" })) form.set(name, value);
    form.set("file", new Blob([new Uint8Array(await readFile(kRecording))]), "in.wav");
    const used = await fetch(`${other.url}/api/v1/speak`, { method: "POST", body: form });
    expect(used.status).toBe(200);
    await used.arrayBuffer();
    for (const locale of ["en-GB", "zh-CN"]) {
      const { page, context, watch } = await visit(browser, other.url, { locale });
      const words =
        locale === "en-GB"
          ? { load: "Load alto", sentence: /^alto needs 21\.4 MiB: would unload speaker \(idle \d+ (s|min)/ }
          : { load: "加载 alto", sentence: /^alto 需要 21\.4 MiB：将卸载 speaker \(已闲置 \d+ (秒|分钟)/ };
      await page.getByRole("button", { name: words.load }).hover();
      await page.locator(".inspector.plan").getByText(words.sentence).waitFor();
      expect(await page.locator(".seg.ghost").count()).toBeGreaterThan(0);
      expect(await page.locator(".seg.going").count()).toBeGreaterThan(0);
      if (locale === "en-GB") {
        expect((await other.get<{ status: string }>("/api/v1/models/speaker")).status).toBe("loaded"); // nothing was done yet
      } else {
        await page.getByRole("button", { name: words.load }).click();
        await vi.waitFor(async () => expect((await other.get<{ status: string }>("/api/v1/models/alto")).status).toBe("loaded"), kPatience);
        expect((await other.get<{ status: string }>("/api/v1/models/speaker")).status).toBe("unloaded");
      }
      expect(watch.complaints).toEqual([]);
      await context.close();
    }
    await other.stop();
    await removeFolder(other.home);
  });

  it("with little room refuses a load, and says what would help", async () => {
    const other = await Daemon.start(await temporaryFolder(), ["--memory-budget", "cpu=4MiB", "--model-root", path.join(home, "demo")]);
    await other.post("/api/v1/models", { path: path.join(home, "demo/alto") });
    const { page, context } = await visit(browser, other.url);
    const load = page.getByRole("button", { name: "Load alto" });
    await load.hover();
    await page.locator(".inspector.bad", { hasText: "does not fit" }).waitFor();
    await load.click();
    await page.locator("li.model.error").getByRole("alert").filter({ hasText: "raise it" }).waitFor();
    await context.close();
    // To readers of Chinese: the kind and what to do in Chinese, then the daemon's own words, marked as English.
    const chinese = await visit(browser, other.url, { locale: "zh-CN" });
    const alert = chinese.page.locator("li.model.error").getByRole("alert");
    await alert.getByText("空间不足。请卸载不需要的模型、提高内存预算，或换一个设备。").waitFor();
    await alert.locator('[lang="en"]').filter({ hasText: "4.0 MiB" }).waitFor();
    if (kShots) await chinese.page.screenshot({ path: path.join(kShots, "error-zh.png") });
    await chinese.context.close();
    await other.stop();
    await removeFolder(other.home);
  });
});
