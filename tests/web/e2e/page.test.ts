// A person's way through the page, against the real daemon.
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import type { Device, Job, Model, Setting } from "../../../web/src/api/types";
import { Daemon, kPatience, kRecording, launch, makeDemoModels, open, removeFolder, temporaryFolder, type Visit, visit } from "./support";

let browser: Browser;
let home: string;
let daemon: Daemon;
let now: Visit;
let page: Page;

const row = (name: string): Locator => page.locator("li.model", { has: page.getByRole("heading", { name: new RegExp(`^${name}\\b`) }) });
const piece = (name: RegExp): Locator => page.locator(".pieces:not(.thin)").getByRole("button", { name });
const stateOf = (name: string, words: string): Promise<void> => row(name).locator(".state", { hasText: words }).waitFor();
const modelsOf = async (): Promise<Model[]> => (await daemon.get<{ models: Model[] }>("/api/v1/models")).models;
const cpu = async (): Promise<Device> => (await daemon.get<{ devices: Device[] }>("/api/v1/gpus")).devices.find((device) => device.id === "cpu")!;
const idOf = async (name: string): Promise<string> => {
  const found = (await modelsOf()).find((model) => new RegExp(`^${name}(-|$)`).test(model.id));
  if (!found) throw new Error(`no model ${name}`);
  return found.id;
};

beforeAll(async () => {
  home = await temporaryFolder();
  [browser] = await Promise.all([launch(), makeDemoModels(path.join(home, "demo"))]);
  daemon = await Daemon.start(home, ["--memory-budget", "cpu=600MiB", "--model-root", path.join(home, "demo")]);
  now = await visit(browser, daemon.url);
  page = now.page;
});

afterAll(async () => {
  await browser?.close();
  await daemon?.stop();
  await removeFolder(home);
});

afterEach(() => {
  expect(now.watch.complaints).toEqual([]);
  expect(now.watch.foreign).toEqual([]);
});

describe("models", () => {
  it("are added by browsing, and the first visit says how", async () => {
    await page.getByRole("heading", { name: "Nobody is in the green room yet" }).waitFor();
    await page.getByRole("button", { name: "Add my own" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: path.join(home, "demo") }).click();
    // Its folder is the model, and can be looked into.
    await dialog.getByRole("button", { name: "Open the folder alto" }).click();
    await dialog.getByRole("button", { name: /^model_0\.pt/ }).waitFor();
    await dialog.getByRole("button", { name: "One folder up" }).click();
    await dialog.getByRole("button", { name: /^alto\b.*MiB/ }).click();
    await dialog.getByText(/^alto needs \d.*: fits/).waitFor();
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    await stateOf("alto", "not loaded");
  });

  it("are added by path; what is no model is refused in the dialog", async () => {
    await page.getByRole("button", { name: "Add a model" }).click();
    const dialog = page.getByRole("dialog");
    const field = dialog.getByLabel("Path on the machine");
    await field.fill(path.join(home, "demo/nobody"));
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await dialog.getByRole("alert").filter({ hasText: "nobody" }).waitFor();
    await field.fill(path.join(home, "demo/tenor"));
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    await stateOf("tenor", "not loaded");
  });

  it("show what a load would take before it is done", async () => {
    await page.getByRole("button", { name: "Load alto" }).hover();
    await page.locator(".inspector.plan", { hasText: /alto needs \d.*: fits/ }).waitFor();
    await page.locator(".seg.ghost").first().waitFor();
    await page.getByRole("heading", { name: "Models", exact: true }).hover();
    await page.locator(".seg.ghost").first().waitFor({ state: "detached" });
  });

  it("load in one click, and the bar moves", async () => {
    await page.getByRole("button", { name: "Load alto" }).click();
    await stateOf("alto", "ready");
    await piece(/^alto \d/).first().waitFor();
    const held = await cpu();
    expect(held.ledger.resident).toBeGreaterThan(10 * 2 ** 20);
    const labels = await page.locator(".pieces:not(.thin) li.own button").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label") ?? ""));
    expect(labels.length).toBe(held.components.length);
    expect(labels.every((label) => label.includes("only alto"))).toBe(true);
  });

  it("show what they share as shared", async () => {
    await page.getByRole("button", { name: "Load tenor" }).click();
    await stateOf("tenor", "ready");
    await page.locator(".legend", { hasText: "Shared" }).waitFor();
    await page.getByText(/sharing spares \d/).waitFor();
    const shared = (await cpu()).components.filter((component) => component.models.length === 2);
    expect(shared.length).toBeGreaterThan(0);
    await page.getByRole("button", { name: "Details of alto" }).click();
    await row("alto").getByRole("row", { name: /tenor/ }).first().waitFor();
  });

  it("are pinned, and kept as long as was said", async () => {
    await row("alto").getByLabel("Pin", { exact: false }).check();
    await row("alto").locator(".tag", { hasText: "pinned" }).waitFor();
    await row("alto").getByLabel("Stay loaded when idle").selectOption({ label: "15 minutes" });
    const id = await idOf("alto");
    await vi.waitFor(async () => {
      const model = await daemon.get<Model>(`/api/v1/models/${encodeURIComponent(id)}`);
      expect(model.pinned).toBe(true);
      expect(model.keep_alive_seconds).toBe(900);
    }, kPatience);
    await row("alto").getByLabel("Pin", { exact: false }).uncheck();
    await row("alto").locator(".tag", { hasText: "pinned" }).waitFor({ state: "detached" });
  });

  it("follow what others do, without a reload", async () => {
    await daemon.post(`/api/v1/models/${encodeURIComponent(await idOf("tenor"))}/unload`);
    await stateOf("tenor", "not loaded");
    await page.locator(".legend", { hasText: "Shared" }).waitFor({ state: "detached" });
  });

  it("unload in one click, and their memory is free", async () => {
    await page.getByRole("button", { name: "Unload alto" }).click();
    await stateOf("alto", "not loaded");
    await page.getByText("greenroom holds nothing here").waitFor();
    expect((await cpu()).ledger.resident).toBe(0);
  });

  it("load and unload several at once", async () => {
    await page.getByLabel("Select alto").check();
    await page.getByLabel("Select tenor").check();
    await page.getByRole("button", { name: "Load 2" }).click();
    await Promise.all([stateOf("alto", "ready"), stateOf("tenor", "ready")]);
    await page.getByRole("button", { name: "Unload all" }).click();
    await Promise.all([stateOf("alto", "not loaded"), stateOf("tenor", "not loaded")]);
  });

  it("can be walked in the bar with the keyboard", async () => {
    await page.getByRole("button", { name: "Load alto" }).click();
    await stateOf("alto", "ready");
    await piece(/^alto \d/).first().focus();
    const first = await page.locator(".inspector").first().innerText();
    await page.keyboard.press("ArrowRight");
    await vi.waitFor(async () => expect(await page.locator(".inspector").first().innerText()).not.toBe(first), kPatience);
  });
});

describe("tasks", () => {
  it("are made, tried dry, preloaded and cleaned up", async () => {
    await open(page, "tasks");
    await page.getByRole("button", { name: "New task" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("duet");
    await dialog.getByRole("button", { name: "Required: Add a model" }).click();
    await dialog.getByLabel("Model or path").fill(path.join(home, "demo/tenor"));
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.waitFor({ state: "detached" });
    const card = page.locator("li.task", { hasText: "duet" });
    await card.getByText("not preloaded").waitFor();
    await card.getByRole("button", { name: "Dry run: duet" }).click();
    await card.locator(".dry-run", { hasText: /ddsp_svc\.voice/ }).waitFor();
    await card.getByRole("button", { name: "Preload: duet" }).click();
    await card.getByText("preloaded, holds 1 model").waitFor();
    await open(page, "models");
    await page.getByRole("button", { name: "Details of tenor" }).click();
    await row("tenor").getByText("task duet").waitFor();
    await open(page, "tasks");
    await card.getByRole("button", { name: "Clean up: duet" }).click();
    await card.getByText("not preloaded").waitFor();
  });

  it("say why they cannot be preloaded", async () => {
    await daemon.post("/api/v1/tasks/broken", { task_name: "broken", required_models: [{ model_path: path.join(home, "demo/pretrain") }] }, "PUT");
    const card = page.locator("li.task", { hasText: "broken" });
    await card.getByRole("button", { name: "Preload: broken" }).click();
    await card.getByRole("alert").filter({ hasText: "pretrain" }).waitFor();
  });

  it("are deleted when that is confirmed", async () => {
    page.once("dialog", (dialog) => void dialog.accept());
    await page.getByRole("button", { name: "Delete: broken" }).click();
    await page.locator("li.task", { hasText: "broken" }).waitFor({ state: "detached" });
  });
});

describe("automation", () => {
  const field = (): Locator => page.getByRole("spinbutton", { name: "Idle for this long, a model goes" });

  it("saves a change at once; it is there after a reload and after a restart", async () => {
    await open(page, "automation");
    await field().fill("17");
    await page.getByText("Saved").first().waitFor();
    await page.reload();
    await vi.waitFor(async () => expect(await field().inputValue()).toBe("17"), kPatience);
    await daemon.stop();
    daemon = await Daemon.start(home, ["--memory-budget", "cpu=600MiB", "--model-root", path.join(home, "demo")], daemon.port);
    const kept = (await daemon.get<{ settings: Setting[] }>("/api/v1/settings")).settings.find((one) => one.name === "gpu.idle_timeout_minutes");
    expect(kept).toMatchObject({ value: 17, kept: true });
  });

  it("turns things off and on, and says what that comes to", async () => {
    await page.reload();
    const off = page.getByRole("switch", { name: "Free idle models by itself" });
    await off.uncheck();
    await page.getByText(/^Nothing goes by itself/).waitFor();
    await off.check();
    await page.getByText(/^A model that nobody holds goes when it was idle for 17 min/).waitFor();
  });

  it("refuses what is not possible, where it was typed", async () => {
    await page.reload();
    await field().fill("-3");
    await page.locator(".setting", { has: field() }).getByRole("alert").waitFor();
    await page.locator(".setting", { has: field() }).getByRole("button", { name: /Back to the default/ }).click();
    await vi.waitFor(async () => expect(await field().inputValue()).toBe("30"), kPatience);
  });
});

describe("GPU & memory", () => {
  it("draws what the devices say, readable without eyes", async () => {
    await open(page, "gpu");
    const chart = page.getByRole("figure", { name: /^Host memory\. CPU: now [\d.]+ .iB, at most/ });
    await chart.waitFor();
    expect(await chart.locator("table tbody tr").count()).toBeGreaterThan(0);
    await chart.locator(".plot").focus();
    await page.keyboard.press("ArrowLeft");
    await chart.getByText(/^\d\d:\d\d:\d\d: CPU [\d.]+ .iB$/).waitFor({ state: "attached" });
    await page.getByRole("button", { name: "24 h" }).click();
    await page.getByRole("figure", { name: /in 24 h/ }).first().waitFor();
  });
});

describe("activity", () => {
  it("tells what happened, and picks", async () => {
    await open(page, "activity");
    const feed = page.locator(".columns .feed");
    await feed.getByText("alto loaded").first().waitFor();
    await page.getByRole("button", { name: "freed" }).click();
    await feed.getByText("alto unloaded").first().waitFor();
    expect(await feed.getByText("alto loaded").count()).toBe(0);
    await page.getByRole("button", { name: "tasks" }).click();
    await feed.getByText("duet task preloaded").first().waitFor();
  });
});

describe("try it", () => {
  const output = (): Locator => page.getByRole("slider", { name: /^Waveform and spectrogram of Output/ });

  it("converts a recording, to look at, to hear and to keep", async () => {
    await open(page, "try");
    await page.locator("#convert-file").setInputFiles(kRecording);
    await page.getByRole("slider", { name: /^Waveform and spectrogram of Input: Front_Center\.wav/ }).waitFor();
    await page.getByRole("button", { name: "Convert", exact: true }).click();
    await output().waitFor();
    const drawn = await output().locator("canvas").evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      return new Set(data).size;
    });
    expect(drawn).toBeGreaterThan(10);
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: /^Download: Front_Center-/ }).click()]);
    const file = await readFile((await download.path())!);
    expect(file.subarray(0, 4).toString()).toBe("RIFF");
    expect(file.length).toBeGreaterThan(44 + 16000);
  });

  it("compares the last two", async () => {
    await page.getByLabel("Key, semitones").fill("7");
    await page.getByRole("button", { name: "Convert", exact: true }).click();
    await page.getByRole("heading", { name: "The last two, side by side" }).waitFor();
    const decks = page.locator(".compare audio");
    await page.locator(".compare").getByRole("button", { name: /^Play: A/ }).click();
    await page.getByRole("button", { name: "Switch" }).click();
    await vi.waitFor(async () => expect(await decks.nth(0).evaluate((audio: HTMLAudioElement) => audio.paused)).toBe(true), kPatience);
    expect(await decks.nth(0).evaluate((audio: HTMLAudioElement) => audio.currentTime)).toBeGreaterThanOrEqual(0);
  });

  it("cancels what takes too long", async () => {
    const before = await output().count();
    await page.getByText("More options").click();
    await page.getByLabel("Steps", { exact: true }).fill("1000");
    await page.getByRole("button", { name: "Convert", exact: true }).click();
    const progress = page.locator(".progress");
    await progress.getByText(/^working/).waitFor();
    const job = (await daemon.get<{ jobs: Job[] }>("/api/v1/jobs")).jobs.find((one) => one.state === "running");
    expect(job?.kind).toBe("convert");
    await progress.getByRole("button", { name: "Cancel" }).click();
    await progress.waitFor({ state: "detached" });
    await vi.waitFor(async () => expect((await daemon.get<Job>(`/api/v1/jobs/${job!.id}`)).state).toBe("cancelled"), kPatience);
    expect(await page.locator(".problem").count()).toBe(0); // who cancels needs no telling
    expect(await output().count()).toBe(before);
    await page.getByRole("button", { name: "Convert", exact: true }).and(page.locator(":enabled")).waitFor();
    await page.getByLabel("Steps", { exact: true }).fill("");
  });

  it("records from the microphone", async () => {
    await page.getByRole("button", { name: /^Take it out: Input/ }).click();
    await page.getByRole("button", { name: "Record", exact: true }).click();
    await page.getByRole("button", { name: /Recording [1-9]\d* s/ }).click();
    await page.getByRole("slider", { name: /^Waveform and spectrogram of Input: recording-.*wav/ }).waitFor();
  });

  it("speaks a text in a voice that was added", async () => {
    await daemon.post("/api/v1/models", { path: path.join(home, "demo/index_tts"), id: "speaker" });
    await page.getByRole("button", { name: "Speak a text" }).click();
    await page.getByRole("button", { name: "Add a voice" }).click();
    await page.locator("#voice-file").setInputFiles(kRecording);
    await page.getByLabel("Name of the voice").fill("Centre");
    await page.getByRole("button", { name: "Keep this voice" }).click();
    await page.getByLabel("Reference voice").filter({ hasText: "Centre" }).waitFor();
    await page.getByLabel("Text", { exact: true }).fill("你好");
    await page.getByText("More options").click();
    await page.getByLabel("Diffusion steps").fill("2");
    await page.getByRole("button", { name: "Speak", exact: true }).click();
    await output().waitFor();
  });
});

describe("languages", () => {
  it("switch at once, and the choice is remembered", async () => {
    await open(page, "models");
    await page.getByRole("button", { name: "中文" }).click();
    await page.getByRole("heading", { name: "模型", exact: true }).waitFor();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe("zh-Hans");
    await page.reload();
    await page.getByRole("heading", { name: "模型", exact: true }).waitFor();
    await page.getByRole("button", { name: "EN", exact: true }).click();
    await page.getByRole("heading", { name: "Models", exact: true }).waitFor();
  });
});

describe("the connection", () => {
  it("is said to be lost, and comes back", async () => {
    await daemon.stop("SIGKILL");
    await page.getByRole("alert").filter({ hasText: "Connection lost" }).waitFor();
    daemon = await Daemon.start(home, ["--model-root", path.join(home, "demo")], daemon.port);
    await page.getByRole("button", { name: "Try now" }).click();
    await page.getByRole("alert").filter({ hasText: "Connection lost" }).waitFor({ state: "detached" });
    await page.locator(".connection.live").waitFor();
  });
});
