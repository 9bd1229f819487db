// Automation: what greenroom does by itself. Every change is saved at once.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { asProblem, call, curl, type Problem } from "../api/client";
import type { Setting, SettingValue } from "../api/types";
import * as format from "../format";
import { language, t } from "../i18n";
import { settings } from "../state/store";
import { Icon } from "../ui/icon";
import { Button, CopyCurl, ProblemBox, told } from "../ui/parts";

const kGroups: [string, RegExp][] = [
  ["cleanup", /^gpu\.(auto_cleanup|idle_timeout|cleanup_)/],
  ["alerts", /^gpu\.alert_/],
  ["monitoring", /^gpu\.memory_/],
  ["requests", /^gpu\.(max_waiting|concurrent)_requests/],
  ["loading", /^gpu\./],
  ["speech", /^(index_tts|ddsp_svc|audio)\./],
];

export const groupOf = (name: string): string => kGroups.find(([, pattern]) => pattern.test(name))?.[0] ?? "other";
const kGroupOrder = ["cleanup", "loading", "requests", "monitoring", "alerts", "speech", "other"];

const nameOf = (setting: Setting): string => t.value.setting[setting.name] ?? (setting.description || setting.name);

function unitOf(setting: Setting): string {
  if (setting.unit) return setting.unit;
  if (setting.name.endsWith("_percent")) return "%";
  if (setting.name.endsWith("_minutes")) return "min";
  if (setting.name.endsWith("_seconds")) return "s";
  if (setting.name.endsWith("_mb")) return "MiB";
  return "";
}

const kUnits: Record<string, { en: string; zh: string }> = {
  minutes: { en: "min", zh: "分钟" },
  min: { en: "min", zh: "分钟" },
  seconds: { en: "s", zh: "秒" },
  s: { en: "s", zh: "秒" },
  percent: { en: "%", zh: "%" },
  requests: { en: "", zh: "个" },
};

function shownUnit(setting: Setting): string {
  const unit = unitOf(setting);
  return kUnits[unit]?.[language.value] ?? unit;
}

function valueText(setting: Setting, value: SettingValue): string {
  if (value === null || value === "") return t.value.settingNone;
  if (typeof value === "boolean") return value ? t.value.settingOn : t.value.settingOff;
  if (typeof value === "number") return `${format.number(value, Number.isInteger(value) ? 0 : 2)} ${shownUnit(setting)}`.trim();
  return t.value.choice[value] ?? value;
}

function Control({ setting, id, save }: { setting: Setting; id: string; save: (value: SettingValue) => void }) {
  const waiting = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const later = (value: SettingValue): void => {
    clearTimeout(waiting.current);
    waiting.current = setTimeout(() => save(value), 500);
  };
  if (setting.type === "switch") {
    return (
      <input
        id={id}
        class="switch"
        type="checkbox"
        role="switch"
        checked={setting.value === true}
        onChange={(event) => save(event.currentTarget.checked)}
      />
    );
  }
  if (setting.type === "choice") {
    return (
      <select id={id} value={String(setting.value ?? "")} onChange={(event) => save(event.currentTarget.value)}>
        {(setting.choices ?? []).map((choice) => (
          <option key={choice} value={choice}>
            {t.value.choice[choice] ?? choice}
          </option>
        ))}
      </select>
    );
  }
  if (setting.type === "number" || setting.type === "whole_number") {
    const unit = shownUnit(setting);
    return (
      <span class="with-unit">
        <input
          id={id}
          type="number"
          step={setting.type === "number" ? "any" : 1}
          min={setting.min}
          max={setting.max}
          value={setting.value === null ? "" : String(setting.value)}
          onInput={(event) => event.currentTarget.value !== "" && later(Number(event.currentTarget.value))}
        />
        {unit ? <span class="muted">{unit}</span> : null}
      </span>
    );
  }
  return <input id={id} type="text" value={String(setting.value ?? "")} onChange={(event) => save(event.currentTarget.value)} />;
}

function Row({ setting }: { setting: Setting }) {
  const texts = t.value;
  const saved = useSignal(false);
  const problem = useSignal<Problem | null>(null);
  const id = `setting-${setting.name.replaceAll(".", "-")}`;
  const save = async (value: SettingValue): Promise<void> => {
    try {
      const answer = await call<{ settings?: Setting[] } | undefined>("PATCH", "/api/v1/settings", { [setting.name]: value });
      problem.value = null;
      if (answer?.settings) {
        const heard = new Map(answer.settings.map((one) => [one.name, one]));
        settings.value = settings.value.map((one) => heard.get(one.name) ?? one);
      }
      saved.value = true;
      setTimeout(() => (saved.value = false), 2500);
    } catch (error) {
      problem.value = asProblem(error);
    }
  };
  return (
    <div class="setting">
      <div class="grow">
        <label for={id}>{nameOf(setting)}</label>
        <p class="muted">
          <code>{setting.name}</code>
          {" · "}
          {texts.settingDefault(valueText(setting, setting.default))}
          {setting.live ? "" : ` · ${texts.settingRestart}`}
        </p>
      </div>
      <span class="saved" role="status">
        {saved.value ? (
          <>
            <Icon name="check" size={16} /> {texts.settingSaved}
          </>
        ) : null}
      </span>
      {setting.kept ? (
        <Button kind="ghost" run={() => save(null)} label={`${texts.settingReset}: ${nameOf(setting)}`}>
          {texts.settingReset}
        </Button>
      ) : null}
      <Control setting={setting} id={id} save={save} />
      {problem.value ? <ProblemBox {...told(problem.value)} /> : null}
    </div>
  );
}

// What the settings above come to.
function Effect() {
  const value = (name: string): SettingValue | undefined => settings.value.find((setting) => setting.name === name)?.value;
  const minutes = value("gpu.idle_timeout_minutes");
  const threshold = value("gpu.cleanup_threshold_percent");
  const texts = t.value;
  if (value("gpu.auto_cleanup_enabled") === false) return <p class="effect">{texts.effectOff}</p>;
  return (
    <p class="effect">
      {typeof minutes === "number" ? `${texts.effectIdle(format.duration(minutes * 60))} ` : ""}
      {typeof threshold === "number" ? texts.effectThreshold(format.percent(threshold / 100)) : ""}
    </p>
  );
}

export function Automation() {
  const texts = t.value;
  const all = settings.value;
  return (
    <section class="view" aria-labelledby="automation-title">
      <header class="view-header">
        <h1 id="automation-title">{texts.automationTitle}</h1>
        <CopyCurl text={() => curl("PATCH", "/api/v1/settings", { "gpu.idle_timeout_minutes": 20 })} label={texts.automationTitle} />
        <p>{texts.automationText}</p>
      </header>
      {kGroupOrder.map((group) => {
        const list = all.filter((setting) => groupOf(setting.name) === group);
        if (!list.length) return null;
        return (
          <section key={group} class="card settings" aria-labelledby={`group-${group}`}>
            <h2 id={`group-${group}`}>{texts.settingGroup[group]}</h2>
            {list.map((setting) => (
              <Row key={setting.name} setting={setting} />
            ))}
            {group === "cleanup" ? <Effect /> : null}
          </section>
        );
      })}
      {all.length ? null : <p class="muted">{texts.settingsNone}</p>}
    </section>
  );
}
