// How a device's memory is cut for the bar. Pure; bytes everywhere.
import type { Device, DeviceComponent, Plan } from "./api/types";

export type SegmentKind = "own" | "shared" | "idle" | "workspace" | "claimed" | "others" | "reserved" | "free" | "ghost";

export interface Segment {
  key: string;
  kind: SegmentKind;
  bytes: number;
  model?: string; // whose colour it has
  component?: DeviceComponent;
  going?: boolean; // the plan would free it
}

export interface Cut {
  total: number;
  ours: Segment[]; // what greenroom holds, grouped by model
  rest: Segment[]; // others, reserved, free
  oursBytes: number;
  capacity: number; // how much of the device greenroom may fill
  saved: number; // what sharing spares: bytes that would be there once more for each further model
}

const sum = (segments: readonly Segment[]): number => segments.reduce((bytes, segment) => bytes + segment.bytes, 0);

function kindOf(component: DeviceComponent): "own" | "shared" | "idle" {
  if (component.models.length === 0) return "idle";
  return component.models.length === 1 ? "own" : "shared";
}

const kOrder: SegmentKind[] = ["own", "shared", "idle", "workspace", "claimed"];

function componentSegments(components: readonly DeviceComponent[]): Segment[] {
  const segments = components.map((component): Segment => {
    const kind = kindOf(component);
    const segment: Segment = {
      key: `${component.kind}|${component.file}|${component.variant}`,
      kind,
      bytes: component.bytes,
      component,
    };
    if (kind === "own" && component.models[0] !== undefined) segment.model = component.models[0];
    return segment;
  });
  return segments.sort(
    (a, b) =>
      kOrder.indexOf(a.kind) - kOrder.indexOf(b.kind) ||
      (a.model ?? "").localeCompare(b.model ?? "") ||
      b.bytes - a.bytes ||
      a.key.localeCompare(b.key),
  );
}

export function cut(device: Device): Cut {
  const ours = componentSegments(device.components);
  const { ledger, memory } = device;
  const loading = device.components.filter((one) => one.state === "loading").reduce((bytes, one) => bytes + one.bytes, 0);
  const claimed = Math.max(0, (ledger?.reserved ?? 0) - loading);
  if ((ledger?.workspace ?? 0) > 0) ours.push({ key: "workspace", kind: "workspace", bytes: ledger.workspace });
  if (claimed > 0) ours.push({ key: "claimed", kind: "claimed", bytes: claimed });

  const oursBytes = sum(ours);
  const total = Math.max(memory?.total ?? 0, oursBytes);
  const reserved = memory?.reserved ?? 0;
  const used = memory ? (memory.used ?? memory.total - memory.free) : 0;
  const others = Math.max(0, Math.min(total - oursBytes - reserved, used - oursBytes));
  const free = Math.max(0, total - oursBytes - others - reserved);
  const rest: Segment[] = [];
  if (others > 0) rest.push({ key: "others", kind: "others", bytes: others });
  if (reserved > 0) rest.push({ key: "reserved", kind: "reserved", bytes: reserved });
  rest.push({ key: "free", kind: "free", bytes: free });

  const saved = device.components.reduce((bytes, one) => bytes + one.bytes * Math.max(0, one.models.length - 1), 0);
  return { total, ours, rest, oursBytes, capacity: Math.min(ledger?.capacity || total, total), saved };
}

// One piece for each model and kind, for a bar too thin to tell components apart.
export function merged(segments: readonly Segment[]): Segment[] {
  const result: Segment[] = [];
  for (const { kind, model, bytes, going } of segments) {
    const last = result[result.length - 1];
    if (last && last.kind === kind && last.model === model && !last.going === !going) last.bytes += bytes;
    else result.push({ key: `${kind} ${model ?? ""}${going ? " going" : ""}`, kind, bytes, ...(model === undefined ? {} : { model }), ...(going ? { going } : {}) });
  }
  return result;
}

// The plan drawn into the cut: what would go is marked, what would come follows what is there.
export function withPlan(before: Cut, plan: Plan): Cut {
  const going = new Set(plan.evict.map((victim) => victim.component));
  const ours = before.ours.map((segment) => {
    const component = segment.component;
    if (!component) return segment;
    const file = component.file.split("/").pop() ?? "";
    return going.has(`${component.kind} (${file})`) ? { ...segment, going: true } : segment;
  });
  if (plan.needed_bytes === 0) return { ...before, ours };
  const ghost: Segment = { key: "ghost", kind: "ghost", bytes: plan.needed_bytes };
  const room = (kind: SegmentKind): number => before.rest.find((segment) => segment.kind === kind)?.bytes ?? 0;
  const drawn = Math.min(plan.needed_bytes, Math.max(room("free"), before.total * 0.02));
  const rest = before.rest.map((segment) =>
    segment.kind === "free" ? { ...segment, bytes: Math.max(0, segment.bytes - drawn) } : segment,
  );
  return { ...before, ours: [...ours, ghost], rest, oursBytes: before.oursBytes + plan.needed_bytes };
}

const kSmallShare = 0.3;

// What the magnified bar spans: nothing when the whole device's bar shows greenroom's part well enough. Whether there is
// one depends on what is there, not on what is planned: nothing is to move under the pointer that asked for the plan.
export function lens(now: Cut, shown: Cut): number | undefined {
  if (now.total === 0 || now.oursBytes >= now.total * kSmallShare) return undefined;
  if (shown.oursBytes === 0) return now.capacity;
  const budget = now.capacity < now.total * kSmallShare ? now.capacity : 0;
  return Math.max(budget, shown.oursBytes);
}

// The same colour for a model for as long as the page is open: the first free of `count`.
export class Colours {
  private readonly taken = new Map<string, number>();
  constructor(private readonly count: number) {}

  of(model: string): number {
    const known = this.taken.get(model);
    if (known !== undefined) return known;
    const used = new Set(this.taken.values());
    let index = 0;
    while (index < this.count && used.has(index)) index++;
    if (index === this.count) index = this.taken.size % this.count;
    this.taken.set(model, index);
    return index;
  }

  keepOnly(models: readonly string[]): void {
    for (const model of this.taken.keys()) if (!models.includes(model)) this.taken.delete(model);
  }
}

// Ids are made of a name and a hash of the path: "alto-3dad81bd".
const withoutHash = (id: string): string => id.replace(/-[0-9a-f]{8}$/, "");
let ambiguous: ReadonlySet<string> = new Set();

// The ids there are, so that two models of one name keep what tells them apart.
export function knowModels(ids: readonly string[]): void {
  const seen = new Set<string>();
  ambiguous = new Set(ids.map(withoutHash).filter((name) => seen.size === seen.add(name).size));
}

// What a person calls it: of a path the voice's folder, without the file every voice has.
export function displayName(id: string): string {
  const parts = id.split("/").filter(Boolean);
  const last = parts[parts.length - 1] ?? id;
  if (/^model(_\w+)?\.pt$/.test(last) && parts.length > 1) return parts[parts.length - 2] ?? last;
  return parts.length > 1 || ambiguous.has(withoutHash(last)) ? last : withoutHash(last);
}
