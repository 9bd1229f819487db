// The state of the page: signals, and what keeps them true.
import { batch, computed, signal } from "@preact/signals";
import { asProblem, authorization, get, keyNeeded, noticeUnauthorized, Problem } from "../api/client";
import { EventStream, type Message } from "../api/sse";
import type { Alert, Alerts, Device, Job, Model, Sample, ServerEvent, Setting, Status, Task } from "../api/types";
import { Colours, knowModels } from "../segments";
import { changesMemory, type Live, withEvents, withLive, withModel, withSample } from "./reconcile";

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "paused" }
  | { state: "lost"; retryAtMs: number; sinceMs: number };

export const connection = signal<Connection>({ state: "connecting" });
export const ready = signal(false); // the first answer is here
export const devices = signal<Device[]>([]);
export const models = signal<Model[]>([]);
export const tasks = signal<Task[]>([]);
export const settings = signal<Setting[]>([]);
export const events = signal<ServerEvent[]>([]);
export const alerts = signal<Alerts>({ firing: [], recent: [] });
export const jobs = signal<Job[]>([]);
export const status = signal<Omit<Status, "devices" | "models"> | null>(null);
export const live = signal<Live>(new Map());
export const lastHeardMs = signal(0); // by this browser's clock
export const nowMs = signal(Date.now());

export const kLiveMilliseconds = 15 * 60 * 1000;
const kColours = 8;
const colours = new Colours(kColours);
export const colourOf = (model: string): number => colours.of(model);

// GPUs first: that is where room is short.
export const orderedDevices = computed(() =>
  [...devices.value].sort((a, b) => Number(a.id === "cpu") - Number(b.id === "cpu")),
);
export const sampleAgeSeconds = computed(() =>
  lastHeardMs.value ? Math.max(0, Math.round((nowMs.value - lastHeardMs.value) / 1000)) : 0,
);
export const isStale = computed(() => {
  if (connection.value.state === "lost") return true;
  const interval = status.value?.monitoring?.interval_seconds ?? 2;
  return connection.value.state === "live" && (status.value?.monitoring?.enabled ?? false) && sampleAgeSeconds.value > interval * 3 + 2;
});

const kOnce = new Map<string, ReturnType<typeof setTimeout>>();

// Many reasons to ask again in a short time are one.
function soon(name: string, run: () => Promise<void>, milliseconds = 150): void {
  if (kOnce.has(name)) return;
  kOnce.set(
    name,
    setTimeout(() => {
      kOnce.delete(name);
      run().catch((error: unknown) => {
        if (asProblem(error).status === 0) return; // the stream tells of a lost connection
        console.warn(`greenroom: ${name}:`, error);
      });
    }, milliseconds),
  );
}

function takeModels(list: Model[]): void {
  const ids = list.map((model) => model.id);
  knowModels(ids);
  colours.keepOnly(ids);
  models.value = list;
}

export const refreshDevices = (): void =>
  soon("devices", async () => {
    devices.value = (await get<{ devices: Device[] }>("/api/v1/gpus")).devices;
  });
export const refreshModels = (): void =>
  soon("models", async () => {
    const list = (await get<{ models: Model[] }>("/api/v1/models")).models;
    takeModels(list);
  });
export const refreshTasks = (): void =>
  soon("tasks", async () => {
    tasks.value = (await get<{ tasks: Task[] }>("/api/v1/tasks")).tasks;
  });
export const refreshSettings = (): void =>
  soon("settings", async () => {
    settings.value = (await get<{ settings: Setting[] }>("/api/v1/settings")).settings;
  });
export const refreshAlerts = (): void =>
  soon("alerts", async () => {
    alerts.value = await get<Alerts>("/api/v1/alerts?minutes=1440");
  });
export const refreshJobs = (): void =>
  soon("jobs", async () => {
    jobs.value = (await get<{ jobs: Job[] }>("/api/v1/jobs")).jobs;
  });
const refreshEvents = (): void =>
  soon("events", async () => {
    takeHistory((await get<{ events: ServerEvent[] }>(`/api/v1/history?newest=true&limit=${kPage}`)).events);
  });

// The oldest of the history that is here; 1 when there is none older.
const oldest = signal(1);
export const hasOlder = computed(() => oldest.value > 1);
const kPage = 200;

function takeHistory(past: readonly ServerEvent[]): void {
  oldest.value = past.reduce((least, event) => Math.min(least, event.id), past.length ? Infinity : 1);
  events.value = withEvents(events.value, past);
}

export async function fetchOlder(): Promise<void> {
  const since = Math.max(0, oldest.value - kPage - 1);
  takeHistory((await get<{ events: ServerEvent[] }>(`/api/v1/history?since_id=${since}&limit=${oldest.value - since - 1}`)).events);
}

async function snapshot(): Promise<void> {
  const now = await get<Status>("/api/v1/status");
  const list = (await get<{ models: Model[] }>("/api/v1/models")).models;
  batch(() => {
    const { devices: seen, models: _, ...rest } = now;
    devices.value = seen;
    takeModels(list);
    status.value = rest;
    ready.value = true;
    lastHeardMs.value = Date.now();
  });
  refreshTasks();
  refreshSettings();
  refreshAlerts();
  refreshJobs();
  refreshEvents();
}

function takeEvent(event: ServerEvent): void {
  if (event.type === "load_progress") return; // models say it of themselves, all components together
  events.value = withEvents(events.value, [event]);
  if (changesMemory(event.type)) {
    refreshDevices();
    refreshModels();
  }
  if (event.type.startsWith("task_")) refreshTasks();
  if (event.type === "alert") refreshAlerts();
}

const kHandlers: Record<string, (data: unknown) => void> = {
  sample: (data) => {
    const sample = data as Sample;
    devices.value = withSample(devices.value, sample);
    live.value = withLive(live.value, sample, kLiveMilliseconds);
  },
  model: (data) => {
    const model = data as Model & { removed?: boolean };
    if (model.removed) models.value = models.value.filter((known) => known.id !== model.id);
    else takeModels(withModel(models.value, model));
    refreshDevices();
  },
  event: (data) => takeEvent(data as ServerEvent),
  alert: (data) => {
    const alert = data as Alert;
    alerts.value = { ...alerts.value, recent: [alert, ...alerts.value.recent].slice(0, 200) };
    refreshAlerts();
  },
  task: () => refreshTasks(),
  settings: () => refreshSettings(),
  job: (data) => {
    const job = data as Job;
    jobs.value = [job, ...jobs.value.filter((known) => known.id !== job.id)];
  },
  // Something was missed: ask for everything.
  lag: () => void snapshot().catch(() => undefined),
};

export function takeMessage(message: Message): void {
  batch(() => {
    lastHeardMs.value = Date.now();
    const handler = kHandlers[message.event];
    if (!handler) return;
    try {
      handler(JSON.parse(message.data));
    } catch (error) {
      console.warn("greenroom: a message that cannot be read:", message, error);
    }
  });
}

const stream = new EventStream("/api/v1/events", authorization, {
  open: () => {
    connection.value = { state: "live" };
    snapshot().catch((error: unknown) => {
      if (!(error instanceof Problem)) console.warn("greenroom:", error);
    });
  },
  message: takeMessage,
  lost: (seconds, httpStatus) => {
    noticeUnauthorized(httpStatus);
    if (keyNeeded.value !== "no") stream.stop();
    const before = connection.value;
    connection.value = {
      state: "lost",
      retryAtMs: Date.now() + seconds * 1000,
      sinceMs: before.state === "lost" ? before.sinceMs : Date.now(),
    };
  },
});

export function reconnect(): void {
  stream.stop();
  connection.value = { state: "connecting" };
  stream.start();
}

// A page that nobody looks at keeps no connection: browsers have six for each host.
const kHiddenMilliseconds = 30_000;
let hiding: ReturnType<typeof setTimeout> | undefined;

function visibilityChanged(): void {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      stream.stop();
      connection.value = { state: "paused" };
    }, kHiddenMilliseconds);
  } else if (!stream.isOpen && connection.value.state === "paused") {
    reconnect();
  }
}

export function startStore(): void {
  document.addEventListener("visibilitychange", visibilityChanged);
  setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, 1000);
  stream.start();
}
