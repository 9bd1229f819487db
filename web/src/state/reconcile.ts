// Pure: what the state is after something was heard.
import type { Device, HistorySeries, MemoryHistory, Model, Sample, ServerEvent } from "../api/types";

// By id; models without one are those of another list.
export function withModel(models: readonly Model[], model: Model): Model[] {
  const at = models.findIndex((known) => known.id === model.id);
  if (at < 0) return [...models, model].sort((a, b) => a.id.localeCompare(b.id));
  return models.map((known, index) => (index === at ? model : known));
}

// A sample has no components: those last heard of stay.
export function withSample(devices: readonly Device[], sample: Sample): Device[] {
  const known = new Map(devices.map((device) => [device.id, device]));
  return sample.devices.map((device) => {
    const before = known.get(device.id);
    return { ...before, ...device, components: before?.components ?? [], ledger: device.ledger ?? before?.ledger } as Device;
  });
}

export const kMostEvents = 500;

// The stream and the history number events each in their own way; what happened is the same.
export const eventKey = (event: ServerEvent): string =>
  [event.time_ms, event.type, event.model_id, event.device, event.component, event.bytes].join("|");

// Newest first, each once.
export function withEvents(events: readonly ServerEvent[], more: readonly ServerEvent[]): ServerEvent[] {
  const byKey = new Map<string, ServerEvent>();
  for (const event of [...more, ...events]) byKey.set(eventKey(event), event);
  return [...byKey.values()].sort((a, b) => b.time_ms - a.time_ms || b.id - a.id).slice(0, kMostEvents);
}

// These change which components are on a device.
export const changesMemory = (type: string): boolean =>
  /^(load_started|load_completed|load_failed|unload_|evicted|demoted|promoted|auto_cleanup|task_|hold_expired)/.test(type);

export interface LiveSample {
  time_ms: number;
  total: number;
  used: number;
  utilisation_percent: number | null;
  temperature_celsius: number | null;
  power_watts: number | null;
}

export type Live = ReadonlyMap<string, readonly LiveSample[]>;

export function withLive(live: Live, sample: Sample, keepMilliseconds: number): Live {
  const next = new Map(live);
  for (const device of sample.devices) {
    if (!device.memory || device.memory.total === 0) continue;
    const before = next.get(device.id) ?? [];
    if ((before[before.length - 1]?.time_ms ?? 0) >= sample.time_ms) continue;
    const { total, used } = device.memory;
    const telemetry = device.telemetry ?? {};
    const entry: LiveSample = {
      time_ms: sample.time_ms,
      total,
      used: used ?? total - device.memory.free,
      utilisation_percent: telemetry.utilisation_percent ?? null,
      temperature_celsius: telemetry.temperature_celsius ?? null,
      power_watts: telemetry.power_watts ?? null,
    };
    next.set(device.id, [...before.filter((old) => old.time_ms > sample.time_ms - keepMilliseconds), entry]);
  }
  return next;
}

// What the daemon remembers, and what came since it was asked.
export function seriesWithLive(series: HistorySeries, live: readonly LiveSample[]): HistorySeries {
  const last = series.time_ms[series.time_ms.length - 1] ?? 0;
  const fresh = live.filter((sample) => sample.time_ms > last);
  if (!fresh.length) return series;
  const add = <T>(values: readonly T[], pick: (sample: LiveSample) => T): T[] => [...values, ...fresh.map(pick)];
  return {
    device: series.device,
    time_ms: add(series.time_ms, (sample) => sample.time_ms),
    total: add(series.total, (sample) => sample.total),
    used: add(series.used, (sample) => sample.used),
    used_max: add(series.used_max, (sample) => sample.used),
    utilisation_percent: add(series.utilisation_percent, (sample) => sample.utilisation_percent),
    temperature_celsius: add(series.temperature_celsius, (sample) => sample.temperature_celsius),
    power_watts: add(series.power_watts, (sample) => sample.power_watts),
  };
}

type Reading = "used" | "used_max" | "utilisation_percent" | "temperature_celsius" | "power_watts";

export interface Aligned {
  seconds: number[]; // since 1970, ascending
  values: (number | null)[][]; // by device, as long as `seconds`
}

// All devices on one time axis. Where a device said nothing for longer than `gapSeconds`, a null stands, so that
// the line breaks; what merely lies between two of its samples is undefined to the chart and bridged.
export function align(history: MemoryHistory, devices: readonly string[], reading: Reading, gapSeconds: number): Aligned {
  const all = history.series.filter((series) => devices.includes(series.device));
  const times = new Set<number>();
  for (const series of all) {
    series.time_ms.forEach((time, index) => {
      times.add(time);
      const before = series.time_ms[index - 1];
      if (before !== undefined && time - before > gapSeconds * 1000) times.add(before + 1).add(time - 1);
    });
  }
  const sorted = [...times].sort((a, b) => a - b);
  const values = devices.map((id) => {
    const series = all.find((candidate) => candidate.device === id);
    if (!series) return sorted.map(() => null);
    const at = new Map(series.time_ms.map((time, index) => [time, series[reading][index] ?? null]));
    let index = 0;
    return sorted.map((time) => {
      while (index + 1 < series.time_ms.length && (series.time_ms[index + 1] ?? 0) <= time) index++;
      if (at.has(time)) return at.get(time) ?? null;
      const before = series.time_ms[index] ?? 0;
      const after = series.time_ms[index + 1];
      if (time < before || after === undefined || after - before > gapSeconds * 1000) return null;
      return undefined as unknown as null; // between two samples
    });
  });
  return { seconds: sorted.map((time) => time / 1000), values };
}
