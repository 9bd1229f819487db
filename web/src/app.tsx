// The shell: header, the bars, the view that is open.
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { keyNeeded, useKey } from "./api/client";
import * as format from "./format";
import { chooseLanguage, language, t } from "./i18n";
import { kViews, type View, view } from "./route";
import { endPreview } from "./state/plan";
import { chooseTheme, type Theme, theme } from "./state/preferences";
import { alerts, connection, isStale, nowMs, orderedDevices, ready, reconnect, sampleAgeSeconds, status } from "./state/store";
import { MemoryBar } from "./ui/bar";
import { Icon, type IconName } from "./ui/icon";
import { lazy } from "./ui/lazy";
import { Button, Choice, Dialog, Field, Notices, ProblemBox } from "./ui/parts";
import { Activity } from "./views/activity";
import { Automation } from "./views/automation";
import { Models } from "./views/models";
import { Tasks } from "./views/tasks";

const kComponents: Record<View, ComponentType> = {
  models: Models,
  gpu: lazy(() => import("./views/gpu")),
  try: lazy(() => import("./try")),
  tasks: Tasks,
  automation: Automation,
  activity: Activity,
};

const kIcons: Record<View, IconName> = {
  models: "models",
  gpu: "gpu",
  try: "try",
  tasks: "tasks",
  automation: "automation",
  activity: "activity",
};

function names(): Record<View, [long: string, short: string]> {
  const texts = t.value;
  return {
    models: [texts.viewModels, texts.viewModels],
    gpu: [texts.viewGpu, texts.viewGpuShort],
    try: [texts.viewTry, texts.viewTry],
    tasks: [texts.viewTasks, texts.viewTasks],
    automation: [texts.viewAutomation, texts.viewAutomationShort],
    activity: [texts.viewActivity, texts.viewActivity],
  };
}

function Navigation() {
  const all = names();
  return (
    <nav aria-label={t.value.views}>
      <ul role="list">
        {kViews.map((name) => (
          <li key={name}>
            <a href={`#/${name}`} aria-current={view.value === name ? "page" : undefined}>
              <Icon name={kIcons[name]} />
              <span class="long">{all[name][0]}</span>
              <span class="short">{all[name][1]}</span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function ConnectionState() {
  const texts = t.value;
  const now = connection.value;
  const stale = isStale.value;
  const words =
    now.state === "lost" ? texts.lost : now.state === "connecting" ? texts.connecting : now.state === "paused" ? texts.paused : texts.live;
  const age = sampleAgeSeconds.value;
  return (
    <span class={`connection ${stale ? "stale" : now.state}`} title={age > 0 ? texts.lastSample(format.duration(age)) : undefined}>
      <i aria-hidden="true" />
      <span>{words}</span>
    </span>
  );
}

function LostBanner() {
  const now = connection.value;
  if (!isStale.value || !ready.value) return null;
  const texts = t.value;
  const age = format.duration(Math.max(1, sampleAgeSeconds.value));
  const next = now.state === "lost" ? format.duration(Math.max(0, Math.ceil((now.retryAtMs - nowMs.value) / 1000))) : "";
  return (
    <div class="banner" role="alert">
      <Icon name="warning" />
      <p>
        <strong>{now.state === "lost" ? `${texts.lost}. ` : ""}</strong>
        <span aria-live="off">{now.state === "lost" ? texts.lostDetail(age, next) : texts.staleDetail(age)}</span>
      </p>
      <Button run={reconnect}>{texts.tryNow}</Button>
    </div>
  );
}

function AlertsBadge() {
  const firing = alerts.value.firing.length;
  if (!firing) return null;
  return (
    <a class="badge bad" href="#/gpu" aria-label={t.value.alertsFiring(firing)}>
      <Icon name="warning" size={16} /> <span class="long">{t.value.alertsFiring(firing)}</span>
      <span class="short">{firing}</span>
    </a>
  );
}

function Preferences() {
  const texts = t.value;
  const themes: { value: Theme; text: string; icon: IconName }[] = [
    { value: "system", text: texts.themeSystem, icon: "system" },
    { value: "light", text: texts.themeLight, icon: "sun" },
    { value: "dark", text: texts.themeDark, icon: "moon" },
  ];
  return (
    <div class="preferences">
      <Choice
        label={texts.language}
        value={language.value}
        options={[
          { value: "en", text: "EN" },
          { value: "zh", text: "中文" },
        ]}
        onChange={chooseLanguage}
      />
      <Choice label={texts.theme} value={theme.value} options={themes} onChange={chooseTheme} iconsOnly />
    </div>
  );
}

function KeyDialog() {
  const [value, setValue] = useState("");
  const texts = t.value;
  if (keyNeeded.value === "no") return null;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!value) return;
    useKey(value);
    setValue("");
    reconnect();
  };
  return (
    <Dialog title={texts.keyTitle} onClose={() => undefined} locked>
      <form onSubmit={submit}>
        <p>{texts.keyText}</p>
        {keyNeeded.value === "wrong" ? <ProblemBox text={texts.keyWrong} /> : null}
        <Field label={texts.keyLabel} id="api-key">
          <input
            id="api-key"
            type="password"
            autocomplete="current-password"
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
            required
          />
        </Field>
        <footer>
          <Button kind="primary" submit>
            {texts.keyUse}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

// Bars in full where they are what one looks at; elsewhere the first device's in short.
const kFull: readonly View[] = ["models"];

function Stage() {
  const full = kFull.includes(view.value);
  const all = orderedDevices.value;
  if (view.value === "gpu") return null;
  if (!all.length) return ready.value ? <p class="muted">{t.value.noDevices}</p> : <div class="stage loading" aria-hidden="true" />;
  const shown = full ? all : all.filter((device) => device.components.length > 0 || device === all[0]);
  return (
    <div class={`stage${isStale.value ? " stale" : ""}`}>
      {shown.map((device) => (
        <MemoryBar key={device.id} device={device} compact={!full || (device !== all[0] && !device.components.length)} />
      ))}
    </div>
  );
}

function Footer() {
  const now = status.value;
  const texts = t.value;
  if (!now) return null;
  const up = now.started_ms ? (nowMs.value - now.started_ms) / 1000 : now.uptime_seconds;
  return (
    <footer class="page-footer muted">
      <span>{texts.footer(now.version, format.duration(Math.max(0, Math.floor(up / 60) * 60 || up)))}</span>
      <a href="/openapi.json">{texts.footerApi}</a>
      <a href="/metrics">{texts.footerMetrics}</a>
    </footer>
  );
}

export function App() {
  const main = useRef<HTMLElement>(null);
  const open = view.value;
  const first = useRef(true);
  const title = names()[open][0];
  useEffect(() => {
    document.title = `${title} · greenroom`;
  }, [title]);
  useEffect(() => {
    endPreview(); // what asked for it is gone
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    scrollTo({ top: 0 });
  }, [open]);
  const View = kComponents[open];
  const problems = status.value?.state_problems ?? [];
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        {t.value.skip}
      </a>
      <header class="page-header">
        <a class="brand" href="#/models">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>greenroom</span>
        </a>
        <Navigation />
        <div class="header-end">
          <AlertsBadge />
          <ConnectionState />
          <Preferences />
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <LostBanner />
        {problems.length ? <ProblemBox title={t.value.stateProblems} text={problems.join(" ")} /> : null}
        <Stage />
        <View />
        <Footer />
      </main>
      <Notices />
      <KeyDialog />
    </>
  );
}
