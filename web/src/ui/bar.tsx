// The bar: a device's memory, cut into what lies in it.
import { signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import type { Device, Plan } from "../api/types";
import * as format from "../format";
import { language, t } from "../i18n";
import { cut, type Cut, displayName, lens, merged, type Segment, withPlan } from "../segments";
import { preview, type Preview } from "../state/plan";
import { colourOf, devices } from "../state/store";
import { Icon } from "./icon";
import { told } from "./parts";

const fileName = (path: string): string => path.split("/").pop() ?? path;

// A person's list of names.
export const listOf = (names: readonly string[]): string =>
  new Intl.ListFormat(language.value, { style: "short", type: "conjunction" }).format([...new Set(names.map(displayName))]);

export const deviceName = (id: string): string => (id === "cpu" ? "CPU" : id.replace(/^cuda:/, "GPU ").replace(/^drm:/, "DRM "));

function title(segment: Segment): string {
  const texts = t.value;
  switch (segment.kind) {
    case "others":
      return texts.segOthers;
    case "reserved":
      return texts.segReserved;
    case "free":
      return texts.segFree;
    case "workspace":
      return texts.segWorkspace;
    case "claimed":
      return texts.segClaimed;
    case "ghost":
      return texts.segGhost;
    case "shared":
      return segment.component?.kind ?? texts.segShared;
    case "idle":
      return segment.component?.kind ?? texts.segIdle;
    default:
      return `${segment.component?.kind ?? ""}`;
  }
}

function owner(segment: Segment): string {
  const component = segment.component;
  if (!component) return "";
  if (segment.kind === "idle") return t.value.segNobody;
  if (segment.kind === "shared") return t.value.segSharedBy(listOf(component.models));
  return t.value.segOwnedBy(displayName(component.models[0] ?? ""));
}

function pieceName(segment: Segment): string {
  if (segment.kind === "ghost") return preview.value?.name ?? title(segment);
  return segment.kind === "own" ? displayName(segment.model ?? "") : title(segment);
}

function describe(segment: Segment): string {
  const component = segment.component;
  // What is written on it comes first.
  const parts = [`${pieceName(segment)} ${format.bytes(segment.bytes)}`];
  if (component) {
    if (segment.kind === "own") parts.push(title(segment));
    parts.push(owner(segment), fileName(component.file));
    if (component.state === "loading") parts.push(t.value.segLoading);
    if (component.state === "freeing") parts.push(t.value.segFreeing);
    if (component.leases > 0) parts.push(t.value.segInUse(component.leases));
  }
  return parts.filter(Boolean).join(", ");
}

function className(segment: Segment): string {
  const parts = ["seg", segment.kind];
  if (segment.kind === "own" && segment.model !== undefined) parts.push(`m${colourOf(segment.model)}`);
  if (segment.component?.state === "loading") parts.push("loading");
  if (segment.component?.state === "freeing") parts.push("freeing");
  if (segment.going) parts.push("going");
  return parts.join(" ");
}

// How wide the window is: pieces that have no room for their name say nothing.
const windowWidth = signal(typeof innerWidth === "number" ? innerWidth : 1280);
if (typeof addEventListener === "function") addEventListener("resize", () => (windowWidth.value = innerWidth));

function hasRoom(text: string, share: number): boolean {
  const page = Math.min(1288, windowWidth.value) - (windowWidth.value > 640 ? 48 : 28);
  const wide = [...text].reduce((sum, letter) => sum + (letter > "\u2e7f" ? 13.5 : 7.8), windowWidth.value > 640 ? 26 : 14);
  return share * page >= wide;
}

function Piece(props: { segment: Segment; whole: number; chosen: boolean; onChoose: (segment: Segment | null) => void; tabbable: boolean }) {
  const { segment, whole } = props;
  const share = whole > 0 ? segment.bytes / whole : 0;
  // A shared piece too narrow for its kind still says that it is shared.
  const full = pieceName(segment);
  const name = segment.kind === "shared" && !hasRoom(full, share) ? t.value.segShared : full;
  const size = format.bytes(segment.bytes);
  return (
    <li class={className(segment)} style={{ flexGrow: Math.max(share, 0.0005) * 1000 }}>
      <button
        type="button"
        tabIndex={props.tabbable ? 0 : -1}
        aria-label={describe(segment)}
        aria-pressed={props.chosen}
        onClick={() => props.onChoose(segment)}
        onMouseEnter={() => props.onChoose(segment)}
        onFocus={() => props.onChoose(segment)}
      >
        {hasRoom(name, share) ? (
          <span class="words" aria-hidden="true">
            <b>{name}</b>{" "}
            {hasRoom(size, share) ? <span>{size}</span> : null}
          </span>
        ) : null}
      </button>
    </li>
  );
}

function Pieces(props: {
  label: string;
  segments: readonly Segment[];
  whole: number;
  chosen: Segment | null;
  onChoose: (segment: Segment | null) => void;
  thin?: boolean;
}) {
  const list = useRef<HTMLUListElement>(null);
  const walk = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step || !list.current) return;
    const buttons = [...list.current.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
    event.preventDefault();
  };
  const shown = props.segments.filter((segment) => segment.bytes > 0);
  const current = shown.findIndex((segment) => segment.key === props.chosen?.key);
  return (
    <ul ref={list} class={props.thin ? "pieces thin" : "pieces"} aria-label={props.label} onKeyDown={walk} role="list">
      {shown.map((segment, index) => (
        <Piece
          key={segment.key}
          segment={segment}
          whole={props.whole}
          chosen={props.chosen?.key === segment.key}
          onChoose={props.onChoose}
          tabbable={index === Math.max(0, current)}
        />
      ))}
    </ul>
  );
}

// Who would go, each once: "alto (idle 12 min)". A part that is known as MODEL#part is the model's.
function victims(plan: Plan): string {
  const idle = new Map<string, number | undefined>();
  for (const victim of plan.evict) {
    const who = victim.models.length ? listOf(victim.models.map((id) => id.split("#")[0]!)) : victim.component;
    const told = /idle (\d+) s/.exec(victim.reason)?.[1];
    const before = idle.get(who);
    const seconds = told === undefined ? before : Math.min(Number(told), before ?? Infinity);
    idle.set(who, seconds);
  }
  return [...idle].map(([who, seconds]) => (seconds === undefined ? who : `${who} (${t.value.idleFor(format.duration(seconds))})`)).join(", ");
}

// What the plan says, in a sentence.
export function planSentence(name: string, plan: Plan): string {
  const texts = t.value;
  const time = plan.seconds > 0.05 ? texts.planSeconds(format.duration(plan.seconds)) : "";
  if (!plan.fits) return texts.planNot(name, format.bytes(plan.needed_bytes), format.bytes(plan.free_bytes));
  if (plan.needed_bytes === 0) return texts.planNothing(name);
  if (plan.evict.length) {
    return texts.planEvicts(name, format.bytes(plan.needed_bytes), victims(plan)) + time;
  }
  return texts.planFits(name, format.bytes(plan.needed_bytes), format.bytes(plan.remaining_bytes)) + time;
}

function Inspector({ shown, chosen, preview }: { shown: Cut; chosen: Segment | null; preview: Preview | null }) {
  const texts = t.value;
  if (preview) {
    const bad = preview.problem !== undefined || preview.plan?.fits === false;
    return (
      <p class={bad ? "inspector bad" : "inspector plan"} role="status">
        <Icon name={bad ? "warning" : "bolt"} />
        <span>{preview.plan ? planSentence(preview.name, preview.plan) : (preview.problem ? told(preview.problem).text : texts.planAsking)}</span>
      </p>
    );
  }
  if (chosen) {
    const component = chosen.component;
    return (
      <p class="inspector">
        <span class={`key ${className(chosen)}`} aria-hidden="true" />
        <span>
          <b>{title(chosen)}</b> {format.bytes(chosen.bytes)}
          {component ? (
            <>
              {" · "}
              {owner(chosen)}
              {component.leases > 0 ? ` · ${texts.segInUse(component.leases)}` : ""}
              <span class="muted"> · {fileName(component.file)}</span>
            </>
          ) : null}
        </span>
      </p>
    );
  }
  return (
    <p class="inspector muted">
      <span>
        {shown.oursBytes > 0 ? texts.oursOf(format.bytes(shown.oursBytes)) : texts.oursNothing}
        {shown.saved > 0 ? ` · ${texts.saved(format.bytes(shown.saved))}` : ""}
        <span class="hint"> · {texts.segHint}</span>
      </span>
    </p>
  );
}

interface Entry {
  key: string;
  className: string;
  name: string;
  bytes: number;
}

function legendEntries(shown: Cut): Entry[] {
  const entries = new Map<string, Entry>();
  for (const segment of [...shown.ours, ...shown.rest]) {
    if (segment.bytes === 0) continue;
    const name =
      segment.kind === "own"
        ? displayName(segment.model ?? "")
        : segment.kind === "shared"
          ? t.value.segShared
          : segment.kind === "idle"
            ? t.value.segIdle
            : title(segment);
    const key = segment.kind === "own" ? `own ${segment.model}` : segment.kind;
    const known = entries.get(key);
    if (known) known.bytes += segment.bytes;
    else entries.set(key, { key, className: className({ ...segment, going: false, component: undefined }), name, bytes: segment.bytes });
  }
  return [...entries.values()];
}

function Legend({ shown, budget }: { shown: Cut; budget: boolean }) {
  return (
    <ul class="legend" role="list">
      {legendEntries(shown).map((entry) => (
        <li key={entry.key}>
          <span class={`key ${entry.className}`} aria-hidden="true" />
          {entry.name} <b>{format.bytes(entry.bytes)}</b>
        </li>
      ))}
      {budget ? (
        <li>
          <span class="key mark" aria-hidden="true" />
          {t.value.budget(format.bytes(shown.capacity))}
        </li>
      ) : null}
    </ul>
  );
}

// The slice of the whole that the magnified bar shows, as the light of a lamp.
function Funnel({ share }: { share: number }) {
  const right = Math.max(0.4, Math.min(100, share * 100));
  return (
    <svg class="funnel" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
      <path d={`M0 0H${right}L100 20H0Z`} />
    </svg>
  );
}

export function MemoryBar({ device, compact }: { device: Device; compact?: boolean }) {
  const texts = t.value;
  const [chosen, choose] = useState<Segment | null>(null);
  const name = deviceName(device.id);
  const plain = cut(device);
  const about = preview.value && (!preview.value.plan || preview.value.plan.device === device.id) ? preview.value : null;
  const mine = about?.plan ? about : devices.value[0]?.id === device.id ? about : null;
  const shown = mine?.plan ? withPlan(plain, mine.plan) : plain;
  const span = compact ? undefined : lens(plain, shown);
  const isThin = compact || span !== undefined;
  const all = [...(isThin ? merged(shown.ours) : shown.ours), ...shown.rest];
  const used = shown.total - (plain.rest.find((segment) => segment.kind === "free")?.bytes ?? 0);
  const amount = format.bytesOf(used, shown.total);
  const inBudget: Segment[] =
    span !== undefined && span > shown.oursBytes ? [{ key: "budget-free", kind: "free", bytes: span - shown.oursBytes }] : [];
  const budget = shown.capacity < shown.total * 0.995;
  return (
    <section class={compact ? "device-bar compact" : "device-bar"} aria-label={texts.memoryOf(name)} onMouseLeave={() => choose(null)}>
      <header>
        <h2>
          {name}
          {device.name && device.name !== name ? <small>{device.name}</small> : null}
        </h2>
        <p class="amount">
          <strong>{amount.part}</strong> / {amount.whole} <small>{texts.inUseShort}</small>
        </p>
      </header>
      {device.problem ? (
        <p class="inspector bad">
          <Icon name="warning" /> <span>{device.problem}</span>
        </p>
      ) : null}
      <div class="whole">
        <Pieces label={texts.memoryOf(name)} segments={all} whole={shown.total} chosen={chosen} onChoose={choose} thin={span !== undefined} />
        {budget ? (
          <span
            class="budget"
            style={{ left: `${(100 * shown.capacity) / shown.total}%` }}
            title={texts.budget(format.bytes(shown.capacity))}
          />
        ) : null}
      </div>
      {span !== undefined ? (
        <>
          <Funnel share={span / shown.total} />
          <Pieces
            label={texts.magnified(format.bytes(span))}
            segments={[...shown.ours, ...inBudget]}
            whole={span}
            chosen={chosen}
            onChoose={choose}
          />
        </>
      ) : null}
      {compact ? null : (
        <>
          <Inspector shown={shown} chosen={chosen} preview={mine} />
          <Legend shown={plain} budget={budget} />
        </>
      )}
    </section>
  );
}
