// A made-up daemon for working on the page: two GPUs, a host, some models. `npm run mock`, then `npm run dev`. Never
// shipped. Nothing it says was measured.
import http from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";

const port = Number(process.env.PORT ?? 7860);
const dist = process.env.DIST;
const GiB = 2 ** 30;
const MiB = 2 ** 20;
const started = Date.now();
const empty = process.argv.includes("--empty");

const parts = {
  encoder: { kind: "content_encoder", file: "/models/pretrain/contentvec/checkpoint_best_legacy_500.pt", bytes: 378 * MiB },
  rmvpe: { kind: "rmvpe", file: "/models/pretrain/rmvpe/model.pt", bytes: 181 * MiB },
  vocoder: { kind: "nsf_hifigan", file: "/models/pretrain/nsf_hifigan/model", bytes: 57 * MiB },
};
const own = (name, bytes) => ({ kind: "ddsp_svc.voice", file: `/models/voices/${name}/model_100000.pt`, bytes });
const speech = [
  { kind: "index_tts.gpt", file: "/models/IndexTTS-2/gpt.pth", bytes: 3.5 * GiB },
  { kind: "index_tts.s2mel", file: "/models/IndexTTS-2/s2mel.pth", bytes: 1.2 * GiB },
  { kind: "index_tts.bigvgan", file: "/models/IndexTTS-2/bigvgan.pt", bytes: 0.45 * GiB },
];
const model = (id, type, list) => ({
  id, type, path: `/models/${id}`, device: "auto", status: "unloaded", holds: 0, leases: 0, waiting: 0, bytes: 0, pinned: false,
  baseline: false, keep_alive_seconds: null, components: [], estimated_bytes: list.reduce((sum, one) => sum + one.bytes, 0), list,
});
const shared = [parts.encoder, parts.rmvpe, parts.vocoder];
const models = empty ? [] : [
  model("alto", "ddsp_svc", [...shared, own("alto", 214 * MiB)]),
  model("tenor", "ddsp_svc", [...shared, own("tenor", 214 * MiB)]),
  model("bass", "ddsp_svc", [...shared, own("bass", 306 * MiB)]),
  model("IndexTTS-2", "index_tts", speech),
  model("soprano", "ddsp_svc", [...shared, own("soprano", 214 * MiB)]),
];
let ids = 100;
const events = [];
const listeners = new Set();
const publish = (event, data) => {
  for (const listener of listeners) listener.write(`id: ${++ids}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
};
const say = (type, more) => {
  const event = { id: ++ids, time_ms: Date.now(), type, ...more };
  if (type !== "load_progress") events.unshift(event);
  publish("event", event);
};
const fileOf = (one) => one.file.split("/").pop();
const onDevice = () => {
  const map = new Map();
  for (const one of models) {
    if (one.status === "unloaded" || one.status === "error") continue;
    for (const component of one.list) {
      const entry = map.get(component.file) ?? { ...component, variant: "float32", state: one.status === "loading" ? "loading" : "resident", models: [], leases: 0 };
      entry.models.push(one.id);
      if (one.status === "loaded") entry.state = "resident";
      map.set(component.file, entry);
    }
  }
  return [...map.values()];
};
const view = ({ list, ...rest }) => ({
  ...rest,
  bytes: rest.status === "loaded" ? list.reduce((sum, one) => sum + one.bytes, 0) : 0,
  placed: rest.status === "unloaded" ? undefined : "cuda:0",
  components: rest.status === "loaded" ? onDevice().filter((one) => one.models.includes(rest.id)).map((one) => ({ ...one, shared_with: one.models.filter((id) => id !== rest.id) })) : [],
});
const wave = (now, period, phase = 0) => Math.sin((2 * Math.PI * now) / period + phase);
const devices = (now = Date.now()) => {
  const list = onDevice();
  const resident = list.reduce((sum, one) => sum + one.bytes, 0);
  const gpu = (id, name, total, ours, components) => {
    const others = 1.6 * GiB;
    const used = ours + others;
    return {
      id, name, uuid: `GPU-${id}`, memory: { total, free: total - used - 0.6 * GiB, used, reserved: 0.6 * GiB },
      telemetry: { utilisation_percent: Math.round(34 + 20 * wave(now, 60000)), temperature_celsius: Math.round(58 + 6 * wave(now, 90000)), thermal_headroom_celsius: 27, power_watts: 143 + 40 * wave(now, 60000), power_limit_watts: 350, clock_mhz: 2400, fan_percent: 38 },
      processes: [{ pid: 4711, name: "greenroom", bytes: ours, ours: true }, { pid: 1220, name: "Xorg", bytes: 0.4 * GiB, ours: false }, { pid: 90210, name: "", ours: false }],
      ledger: { capacity: total * 0.9, reserved: 0, resident: ours, workspace: 0, free: total * 0.9 - ours }, components,
    };
  };
  const host = { id: "cpu", name: "AMD EPYC 9354", uuid: "", memory: { total: 128 * GiB, free: 96 * GiB, used: 32 * GiB + 2 * GiB * wave(now, 300000) }, telemetry: { utilisation_percent: Math.round(22 + 9 * wave(now, 45000)), temperature_celsius: 51, cores: 32 }, processes: [], ledger: { capacity: 115 * GiB, reserved: 0, resident: 0, workspace: 0, free: 115 * GiB }, components: [] };
  return [host, gpu("cuda:0", "NVIDIA L40S", 45 * GiB, resident, list), gpu("cuda:1", "NVIDIA RTX 4000", 20 * GiB, 0, [])];
};
const load = (one) => {
  one.status = "loading";
  say("load_started", { model_id: one.id, device: "cuda:0" });
  let step = 0;
  const total = one.estimated_bytes;
  const timer = setInterval(() => {
    if (one.status !== "loading") return clearInterval(timer);
    step++;
    say("load_progress", { model_id: one.id, component: one.list[Math.min(one.list.length - 1, Math.floor((step / 10) * one.list.length))].kind, bytes: (total * step) / 10, total_bytes: total });
    if (step < 10) return;
    clearInterval(timer);
    Object.assign(one, { status: "loaded", holds: 1, last_used_ms: Date.now(), idle_seconds: 0 });
    say("load_completed", { model_id: one.id, device: "cuda:0", bytes: total, seconds: 1.2 });
    publish("model", view(one));
  }, Number(process.env.SLOW ?? 120));
  publish("model", view(one));
};
if (!empty) {
  for (const id of ["alto", "tenor", "IndexTTS-2"]) Object.assign(models.find((one) => one.id === id), { status: "loaded", holds: 1, last_used_ms: started - 720000, idle_seconds: 720 });
  models[1].pinned = true;
  Object.assign(models[4], { status: "error", error: "'/models/voices/soprano/config.yaml' names the encoder '/models/pretrain/contentvec/hubert.pt', which is not there", remedy: "Put the file there, or name its folder with --pretrain-dir." });
}
const settings = [
  { name: "gpu.auto_cleanup_enabled", value: true, default: true, kept: false, type: "switch", description: "Free what is idle", live: true },
  { name: "gpu.idle_timeout_minutes", value: 20, default: 30, kept: true, type: "number", min: 0, max: 100000, unit: "minutes", description: "", live: true },
  { name: "gpu.cleanup_threshold_percent", value: 85, default: 85, kept: false, type: "number", min: 0, max: 100, unit: "%", description: "", live: true },
  { name: "gpu.eviction_policy", value: "cost", default: "cost", kept: false, type: "choice", choices: ["cost", "lru"], description: "", live: false },
  { name: "gpu.alert_warning_percent", value: 80, default: 80, kept: false, type: "number", min: 0, max: 100, unit: "%", description: "", live: true },
  { name: "gpu.memory_monitoring_interval", value: 2, default: 2, kept: false, type: "number", min: 0.1, max: 60, unit: "seconds", description: "", live: false },
];
const tasks = [
  { task_name: "voice_conversion", required_models: [{ model_type: "ddsp_svc", model_path: "alto", device: "auto", priority: 0 }], optional_models: [{ model_path: "tenor", device: "auto", priority: 1 }], memory_limit_mb: 4000, auto_cleanup: true, preloading: false, held: ["alto"] },
  { task_name: "voice_synthesis", required_models: [], optional_models: [], memory_limit_mb: 0, auto_cleanup: true, preloading: false, held: [] },
];
const history = (minutes) => {
  const now = Date.now();
  const count = 300;
  const every = (minutes * 60000) / count;
  const series = devices().map((device) => {
    const time_ms = Array.from({ length: count }, (_, i) => Math.round(now - (count - i) * every)).filter((time) => !(time > now - minutes * 30000 && time < now - minutes * 26000));
    const total = device.memory.total;
    const used = time_ms.map((time) => device.memory.used * (0.7 + 0.25 * (time > now - minutes * 20000)) + GiB * wave(time, minutes * 9000));
    const cpu = device.id === "cpu";
    return { device: device.id, time_ms, total: time_ms.map(() => total), used, used_max: used, utilisation_percent: time_ms.map((time) => 40 + 25 * wave(time, minutes * 7000)), temperature_celsius: time_ms.map((time) => 58 + 6 * wave(time, minutes * 12000)), power_watts: time_ms.map((time) => (cpu ? null : 150 + 50 * wave(time, minutes * 7000))) };
  });
  return { interval_seconds: every / 1000, series, events: [{ id: 1, time_ms: now - minutes * 20000, type: "load_completed", model_id: "IndexTTS-2", device: "cuda:0", bytes: 5 * GiB, seconds: 6.1 }, { id: 2, time_ms: now - minutes * 42000, type: "evicted", component: "ddsp_svc.voice (bass)", device: "cuda:0", bytes: 306 * MiB, cause: "for loading 'tenor', idle 41 s" }] };
};
const plan = (body) => {
  const wanted = (body.load ?? ["alto"]).map((id) => models.find((one) => one.id === id)).filter(Boolean);
  const here = new Set(onDevice().map((one) => one.file));
  const list = wanted.flatMap((one) => one.list);
  const needed = list.filter((one) => !here.has(one.file)).reduce((sum, one) => sum + one.bytes, 0);
  return { purpose: "loading", device: "cuda:0", fits: true, needed_bytes: needed, free_bytes: 30 * GiB, capacity_bytes: 40 * GiB, remaining_bytes: 30 * GiB - needed, seconds: needed / GiB, parts: list.map((one) => ({ component: `${one.kind} (${fileOf(one)})`, bytes: one.bytes, source: here.has(one.file) ? "resident" : "disk", seconds: 0.2 })), evict: [] };
};
const problem = (response, status, code, detail, remedy) => {
  response.writeHead(status, { "Content-Type": "application/problem+json" }).end(JSON.stringify({ title: code, status, code, detail, remedy }));
};
http.createServer(async (request, response) => {
  const url = new URL(request.url, "http://x");
  const at = url.pathname;
  const json = (value, status = 200) => response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
  let text = "";
  for await (const chunk of request) text += chunk;
  const body = text.startsWith("{") ? JSON.parse(text) : {};
  const key = `${request.method} ${at}`;
  if (key === "GET /api/v1/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`event: hello\ndata: {"version":"0.0.0","schema":1}\n\n`);
    listeners.add(response);
    request.on("close", () => listeners.delete(response));
    return;
  }
  const simple = {
    "GET /api/v1/status": () => ({ version: "0.0.0-mock", uptime_seconds: (Date.now() - started) / 1000, started_ms: started, devices: devices(), models: models.map(view), state_problems: [], monitoring: { enabled: true, interval_seconds: 2 }, queue: [{ device: "cuda:0", waiting: 2, running: 1, limit: 32 }] }),
    "GET /api/v1/gpus": () => ({ devices: devices() }),
    "GET /api/v1/models": () => ({ models: models.map(view) }),
    "GET /api/v1/tasks": () => ({ tasks }),
    "GET /api/v1/settings": () => ({ settings }),
    "GET /api/v1/jobs": () => ({ jobs: [] }),
    "GET /api/v1/voices": () => ({ voices: [{ id: "v1", name: "Anna", seconds: 6.2, sample_rate: 22050, bytes: 270000, created_ms: started }] }),
    "GET /api/v1/history": () => ({ events }),
    "GET /api/v1/alerts": () => ({ firing: [{ device: "cuda:0", rule: "memory", level: "warning" }], recent: [{ time_ms: Date.now() - 60000, type: "warning", rule: "memory", device: "cuda:0", message: "cuda:0 (NVIDIA L40S): 81.2 % of memory in use, 8.4 GiB free (threshold: 80.0 %)", value: 81.2, threshold: 80 }] }),
    "GET /api/v1/memory/history": () => history(Number(url.searchParams.get("minutes") ?? 10)),
    "GET /api/v1/decisions": () => ({ decisions: [{ sequence: 1, time_ms: Date.now() - 5000, device: "cuda:0", purpose: "loading 'tenor'", needed_bytes: 214 * MiB, free_bytes: 100 * MiB, capacity_bytes: 40 * GiB, verdict: "evict", policy: "cost", candidates: [{ component: "ddsp_svc.voice (bass)", bytes: 306 * MiB, idle_seconds: 41, uses: 1.2, reload_seconds: 0.4, young: false, evicted: true }, { component: "index_tts.gpt (gpt.pth)", bytes: 3.5 * GiB, idle_seconds: 700, uses: 4, reload_seconds: 5.2, young: false, evicted: false }], unloaded: ["bass"] }] }),
    "GET /api/v1/models/browse": () => (url.searchParams.get("path") ? { roots: ["/models"], path: url.searchParams.get("path"), parent: "", entries: [{ name: "alto", path: "/models/voices/alto", kind: "model", type: "ddsp_svc", bytes: 214 * MiB, registered_as: "alto" }, { name: "pretrain", path: "/models/pretrain", kind: "folder" }] } : { roots: ["/models"], path: "", entries: [] }),
    "POST /api/v1/plan": () => plan(body),
    "POST /api/v1/memory/optimize": () => ({ freed_bytes: 0 }),
  };
  if (simple[key]) return json(simple[key]());
  if (key === "PATCH /api/v1/settings") {
    for (const setting of settings) if (setting.name in body) Object.assign(setting, { value: body[setting.name] ?? setting.default, kept: body[setting.name] !== null });
    return json({ settings });
  }
  const match = /^\/api\/v1\/models\/([^/]+)(?:\/(\w+))?$/.exec(at);
  const one = match && models.find((known) => known.id === decodeURIComponent(match[1]));
  if (match && !one) return problem(response, 404, "not_found", `there is no model '${match[1]}'`);
  if (one && match[2] === "load") return load(one), json(view(one), 202);
  if (one && match[2] === "unload") {
    Object.assign(one, { status: "unloaded", holds: 0 });
    say("unload_completed", { model_id: one.id, device: "cuda:0", bytes: one.estimated_bytes });
    publish("model", view(one));
    return json(view(one));
  }
  if (one && request.method === "PATCH") return Object.assign(one, body), json(view(one));
  if (!at.startsWith("/api/") && dist) {
    const file = path.join(dist, at === "/" ? "index.html" : at);
    const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
    try {
      return response.writeHead(200, { "Content-Type": types[path.extname(file)] ?? "text/plain", "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:" }).end(await readFile(file));
    } catch {
      // Told below.
    }
  }
  return problem(response, 404, "not_found", `there is nothing at ${at}`);
}).listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${port}`));
setInterval(() => publish("sample", { time_ms: Date.now(), devices: devices().map(({ components, ...rest }) => rest) }), 2000);
