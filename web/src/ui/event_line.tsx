// One event as a sentence, with its cause.
import type { ServerEvent } from "../api/types";
import * as format from "../format";
import { language, t } from "../i18n";
import { displayName } from "../segments";
import { deviceName } from "./bar";
import { Icon, type IconName } from "./icon";

export type Kind = "loads" | "freed" | "problems" | "tasks";

export function kindOfEvent(type: string): Kind {
  if (/^(alert|load_failed|memory_missing|worker_lost|recovery)$/.test(type)) return "problems";
  if (type.startsWith("task_") || type === "hold_expired") return "tasks";
  if (/^(unload_|evicted|auto_cleanup|demoted)/.test(type)) return "freed";
  return "loads";
}

const kIcons: Record<Kind, IconName> = { loads: "download", freed: "up", problems: "warning", tasks: "tasks" };

// The manager's reasons in the reader's language, as far as they are known.
export function causeText(told: string): string {
  const cause = told.replace(/'([^']+)'/g, (_, id: string) => `'${displayName(id)}'`);
  if (language.value !== "zh") return cause;
  return cause
    .replace(/for loading '([^']*)'/, "为加载 $1 腾出空间")
    .replace(/idle (?:for )?([\d.]+) s\b/, "已闲置 $1 秒")
    .replace(/idle (?:for )?([\d.]+) min\b/, "已闲置 $1 分钟")
    .replace(/^(\S+) is ([\d.]+) % full/, "$1 已用 $2%");
}

export function EventLine({ event, withDate }: { event: ServerEvent; withDate?: boolean }) {
  const kind = kindOfEvent(event.type);
  const subject = event.model_id ? displayName(event.model_id) : (event.component ?? "");
  const facts: string[] = [];
  if (event.bytes) facts.push(format.bytes(event.bytes));
  if (event.seconds) facts.push(format.duration(event.seconds));
  if (event.device) facts.push(deviceName(event.device));
  const words = t.value.event[event.type] ?? event.type.replaceAll("_", " ");
  return (
    <li class={kind}>
      <time class="muted" dateTime={new Date(event.time_ms).toISOString()}>
        {withDate ? format.dateAndClock(event.time_ms) : format.clock(event.time_ms)}
      </time>
      <Icon name={kIcons[kind]} size={16} />
      <span class="breaks">
        {subject ? <b>{subject} </b> : null}
        {words}
        {facts.length ? <span class="muted"> · {facts.join(" · ")}</span> : null}
        {event.cause ? <span class="cause"> {causeText(event.cause)}</span> : null}
        {event.message ? <span class="cause"> {event.message}</span> : null}
      </span>
    </li>
  );
}
