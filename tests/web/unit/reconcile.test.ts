import type { Device, HistorySeries, Model, Sample, ServerEvent } from "../../../web/src/api/types";
import { align, changesMemory, kMostEvents, seriesWithLive, withEvents, withLive, withModel, withSample } from "../../../web/src/state/reconcile";

const model = (id: string, more: Partial<Model> = {}): Model => ({
  id,
  type: "ddsp_svc",
  device: "auto",
  status: "unloaded",
  holds: 0,
  leases: 0,
  waiting: 0,
  bytes: 0,
  pinned: false,
  baseline: false,
  components: [],
  ...more,
});

describe("withModel", () => {
  it("adds in order, replaces in place", () => {
    const list = withModel(withModel([], model("b")), model("a"));
    expect(list.map((one) => one.id)).toEqual(["a", "b"]);
    expect(withModel(list, model("b", { status: "loaded" })).map((one) => one.status)).toEqual(["unloaded", "loaded"]);
  });
});

const reading = (id: string, used: number) => ({
  id,
  name: "",
  uuid: "",
  memory: { total: 100, free: 100 - used, used },
  telemetry: { utilisation_percent: 10 },
  processes: [],
  ledger: { capacity: 90, reserved: 0, resident: 0, workspace: 0, free: 90 },
});
const sample = (time_ms: number, used: number): Sample => ({ time_ms, devices: [reading("cpu", used)] });

describe("withSample", () => {
  it("keeps the components, which samples lack", () => {
    const before = [{ ...reading("cpu", 1), components: [{ kind: "voice" }] }] as unknown as Device[];
    const after = withSample(before, sample(1, 42));
    expect(after[0]?.components).toHaveLength(1);
    expect(after[0]?.memory.used).toBe(42);
  });
});

describe("withEvents", () => {
  it("is newest first, each once, bounded", () => {
    const event = (id: number): ServerEvent => ({ id, time_ms: id, type: "evicted" });
    expect(withEvents([event(2)], [event(1), event(3), event(2)]).map((one) => one.id)).toEqual([3, 2, 1]);
    // From the stream and from the history: two numbers, one event.
    expect(withEvents([event(1)], [{ ...event(1), id: 900 }])).toHaveLength(1);
    const many = Array.from({ length: kMostEvents + 5 }, (_, index) => event(index));
    expect(withEvents([], many)).toHaveLength(kMostEvents);
    expect(withEvents([], many)[0]?.id).toBe(kMostEvents + 4);
  });
});

it("knows which events change memory", () => {
  expect(["load_completed", "unload_started", "evicted", "task_cleaned"].every(changesMemory)).toBe(true);
  expect(["load_progress", "alert", "cache_hit"].some(changesMemory)).toBe(false);
});

describe("withLive", () => {
  it("keeps so much and no more, and takes no sample twice", () => {
    let live = withLive(new Map(), sample(1000, 1), 5000);
    live = withLive(live, sample(1000, 9), 5000);
    live = withLive(live, sample(3000, 2), 5000);
    expect(live.get("cpu")?.map((one) => one.used)).toEqual([1, 2]);
    live = withLive(live, sample(7000, 3), 5000);
    expect(live.get("cpu")?.map((one) => one.used)).toEqual([2, 3]);
    expect(live.get("cpu")?.[0]?.power_watts).toBeNull();
  });
});

const series = (device: string, times: number[], used: (number | null)[]): HistorySeries => ({
  device,
  time_ms: times,
  total: times.map(() => 100),
  used,
  used_max: used,
  utilisation_percent: used,
  temperature_celsius: used,
  power_watts: used,
});

describe("seriesWithLive", () => {
  it("adds what is newer", () => {
    const live = withLive(withLive(new Map(), sample(2000, 5), 1e6), sample(4000, 6), 1e6).get("cpu") ?? [];
    const joined = seriesWithLive(series("cpu", [1000, 2000], [1, 2]), live);
    expect(joined.time_ms).toEqual([1000, 2000, 4000]);
    expect(joined.used).toEqual([1, 2, 6]);
  });
});

describe("align", () => {
  it("breaks the line where nothing was said for long, and only there", () => {
    const history = { interval_seconds: 1, events: [], series: [series("cpu", [1000, 2000, 9000], [1, null, 3])] };
    const { seconds, values } = align(history, ["cpu"], "used", 2.5);
    expect(seconds).toEqual([1, 2, 2.001, 8.999, 9]);
    expect(values[0]).toEqual([1, null, null, null, 3]);
  });

  it("leaves to be bridged what lies between two samples of one device", () => {
    const history = { interval_seconds: 1, events: [], series: [series("a", [1000, 2000, 3000], [1, 2, 3]), series("b", [1500, 2500], [7, 8])] };
    const { seconds, values } = align(history, ["a", "b"], "used", 5);
    expect(seconds).toEqual([1, 1.5, 2, 2.5, 3]);
    expect(values).toEqual([
      [1, undefined, 2, undefined, 3],
      [null, 7, undefined, 8, null],
    ]);
  });

  it("has nothing of a device that is not in the history", () => {
    const history = { interval_seconds: 1, events: [], series: [series("a", [1000], [1])] };
    expect(align(history, ["a", "x"], "used", 5).values).toEqual([[1], [null]]);
  });
});
