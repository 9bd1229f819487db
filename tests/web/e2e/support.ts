// The real daemon, and a browser that looks at its page.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const kBinary = process.env.GREENROOM_BINARY ?? fileURLToPath(new URL("../../../build/default/bin/greenroom", import.meta.url));
// A stand-in for NVIDIA's library, which says what a scenario tells it (tests/fake_nvml).
export const kFakeNvml = path.resolve(path.dirname(kBinary), "../fake_nvml/560/libnvidia-ml.so.1");
const kChromium = process.env.GREENROOM_CHROMIUM ?? "/usr/bin/chromium";
export const kRecording = "/usr/share/sounds/alsa/Front_Center.wav";
export const kPatience = 1000 * Number(process.env.GREENROOM_WEB_PATIENCE ?? 30);

// Nothing of the caller's settings.
function surroundings(home: string, more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const { PATH = "", LD_LIBRARY_PATH = "" } = process.env;
  return { PATH, LD_LIBRARY_PATH, HOME: home, XDG_CACHE_HOME: path.join(home, "cache"), OMP_WAIT_POLICY: "passive", ...more };
}

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), "greenroom-web-"));
}

export async function makeDemoModels(folder: string): Promise<void> {
  await promisify(execFile)(kBinary, ["demo-models", folder], { env: surroundings(folder) });
}

export class Daemon {
  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
    readonly home: string,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  static async start(home: string, options: string[] = [], port = 0, variables: Record<string, string> = {}): Promise<Daemon> {
    const child = spawn(kBinary, ["--port", String(port), ...options, "serve"], { cwd: home, env: surroundings(home, variables), stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    const serves = new Promise<number>((resolve, reject) => {
      const hear = (text: Buffer): void => {
        out += text.toString();
        const found = /serves on http:\/\/[^:]+:(\d+)/.exec(out);
        if (found) resolve(Number(found[1]));
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`greenroom ended with ${code}: ${out}`)));
    });
    return new Daemon(child, await serves, home);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }

  async get<T>(where: string): Promise<T> {
    const response = await fetch(this.url + where);
    if (!response.ok) throw new Error(`${where}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async post<T>(where: string, body: unknown = {}, method = "POST"): Promise<T> {
    const response = await fetch(this.url + where, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${where}: ${response.status} ${await response.text()}`);
    const text = await response.text();
    return (text ? JSON.parse(text) : undefined) as T;
  }
}

export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: kChromium,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--autoplay-policy=no-user-gesture-required",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
    ],
  });
}

// What went wrong on a page: it has to stay empty.
export class Watch {
  readonly foreign: string[] = [];
  readonly complaints: string[] = [];

  constructor(page: Page, url: string) {
    page.on("request", (request) => {
      if (!request.url().startsWith(`${url}/`) && !/^(blob|data):/.test(request.url())) this.foreign.push(request.url());
    });
    page.on("pageerror", (error) => this.complaints.push(`${error.message}\n${error.stack}`));
    page.on("console", (message) => {
      // A refused request is written to the console by the browser; tests of errors ask for those.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) this.complaints.push(message.text());
    });
  }
}

export interface Visit {
  page: Page;
  context: BrowserContext;
  watch: Watch;
}

export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", colorScheme: "dark", ...options });
  context.setDefaultTimeout(kPatience);
  const page = await context.newPage();
  const watch = new Watch(page, url);
  await page.goto(`${url}/`);
  return { page, context, watch };
}

export async function open(page: Page, name: string): Promise<void> {
  await page.evaluate((to) => (location.hash = `#/${to}`), name);
  await page.locator(`section.view[aria-labelledby="${name}-title"]`).waitFor();
}

export const kViews = ["models", "gpu", "try", "tasks", "automation", "activity"] as const;
