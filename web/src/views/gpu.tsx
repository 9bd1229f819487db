// GPU & memory: what the devices say, now and in the last hours.
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { asProblem, curl, get, type Problem } from "../api/client";
import type { Alert, Device, MemoryHistory } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { align, type Aligned, eventKey, seriesWithLive, withEvents } from "../state/reconcile";
import { alerts, connection, events, isStale, live, nowMs, orderedDevices, settings, status } from "../state/store";
import { deviceName, MemoryBar } from "../ui/bar";
import { Chart, type Line, markOf } from "../ui/chart";
import { EventLine } from "../ui/event_line";
import { Icon } from "../ui/icon";
import { Choice, CopyCurl, ProblemBox, told } from "../ui/parts";
import "../styles/gpu.css";

const kRanges = [10, 60, 360, 1440] as const;
const kPoints = 600;
const kGapSamples = 4; // that are missing: less may be a busy machine
const kNoHistory: MemoryHistory = { interval_seconds: 2, series: [], events: [] };

function Fact({ name, value, more }: { name: string; value: string; more?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        {more ? <small class="muted">{more}</small> : null}
      </dd>
    </div>
  );
}

function Facts({ device }: { device: Device }) {
  const texts = t.value;
  const { utilisation_percent, temperature_celsius, thermal_headroom_celsius, power_watts, power_limit_watts, clock_mhz, fan_percent, cores } =
    device.telemetry;
  return (
    <dl class="telemetry">
      {utilisation_percent !== undefined ? (
        <Fact name={texts.utilisation} value={`${utilisation_percent} %`} more={cores !== undefined ? texts.cores(format.number(cores)) : undefined} />
      ) : null}
      {temperature_celsius !== undefined ? (
        <Fact
          name={texts.temperature}
          value={`${temperature_celsius} °C`}
          more={thermal_headroom_celsius !== undefined ? texts.headroom(String(thermal_headroom_celsius)) : undefined}
        />
      ) : null}
      {power_watts !== undefined ? (
        <Fact
          name={texts.power}
          value={`${format.number(power_watts)} W`}
          more={power_limit_watts !== undefined ? texts.powerLimit(format.number(power_limit_watts)) : undefined}
        />
      ) : null}
      {clock_mhz !== undefined ? <Fact name={texts.clockSpeed} value={`${format.number(clock_mhz)} MHz`} /> : null}
      {fan_percent !== undefined ? <Fact name={texts.fan} value={`${fan_percent} %`} /> : null}
    </dl>
  );
}

function Processes({ device }: { device: Device }) {
  const texts = t.value;
  if (!device.processes.length) return null;
  return (
    <details>
      <summary>
        {texts.processes} <span class="muted">{device.processes.length}</span>
      </summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{texts.process}</th>
            <th scope="col" class="number">
              {texts.memory}
            </th>
          </tr>
        </thead>
        <tbody>
          {[...device.processes]
            .sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0))
            .map((process) => (
              <tr key={process.pid}>
                <th scope="row" class="breaks">
                  {process.name || <span class="muted">{texts.processHidden}</span>} <small class="muted">{process.pid}</small>
                  {process.ours ? <span class="tag">{texts.processOurs}</span> : null}
                </th>
                <td class="number">{process.bytes === undefined ? <span class="muted">{texts.processUnknownBytes}</span> : format.bytes(process.bytes)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </details>
  );
}

function DeviceCard({ device }: { device: Device }) {
  const queue = status.value?.queue?.find((one) => one.device === device.id);
  const reasons = (device.telemetry.throttle_reasons ?? []).filter((reason) => reason !== "idle");
  return (
    <article class="card device">
      <MemoryBar device={device} compact />
      <Facts device={device} />
      {device.memory.shared_with_host ? <p class="muted">{t.value.unified}</p> : null}
      {reasons.length ? (
        <p class="inspector bad">
          <Icon name="warning" /> <span>{t.value.throttled(reasons.join(", "))}</span>
        </p>
      ) : null}
      {queue && queue.running + queue.waiting > 0 ? (
        <p class="muted">
          {t.value.queueTitle}: {t.value.queueOf(queue.running, queue.waiting)}
        </p>
      ) : null}
      <Processes device={device} />
    </article>
  );
}

function levelName(level: Alert["type"]): string {
  const texts = t.value;
  return level === "critical" ? texts.alertCritical : level === "warning" ? texts.alertWarning : texts.alertCleared;
}

const ruleName = (rule: string): string =>
  rule === "memory" ? t.value.ruleMemory : rule === "thermal" ? t.value.ruleThermal : rule === "device" ? t.value.ruleDevice : rule;

function Alerts() {
  const texts = t.value;
  const { firing, recent } = alerts.value;
  return (
    <section class="card alerts" aria-labelledby="alerts-title">
      <h2 id="alerts-title">{texts.alertsTitle}</h2>
      {!firing.length ? (
        <p class="all-calm">
          <Icon name="check" /> {recent.length ? texts.alertsCalm : texts.alertsNone}
        </p>
      ) : (
        <ul role="list">
          {firing.map((alert) => (
            <li key={`${alert.device} ${alert.rule}`} class={`state ${alert.level === "critical" ? "bad" : "busy"}`}>
              <Icon name="warning" /> {deviceName(alert.device)}: {ruleName(alert.rule)}, {levelName(alert.level)}
            </li>
          ))}
        </ul>
      )}
      {recent.length ? (
        <ul class="feed" role="list">
          {recent.slice(0, 12).map((alert) => (
            <li key={`${alert.time_ms} ${alert.rule} ${alert.device} ${alert.type}`}>
              <time class="muted">{format.clock(alert.time_ms)}</time>
              <span class={`state ${alert.type === "cleared" ? "good" : alert.type === "critical" ? "bad" : "busy"}`}>{levelName(alert.type)}</span>
              <span class="breaks">{alert.message}</span>
            </li>
          ))}
        </ul>
      ) : null}
    </section>
  );
}

type Reading = "used" | "utilisation_percent" | "temperature_celsius" | "power_watts";

// The history of that range, kept up with what comes in.
function useHistory(minutes: number): { history: MemoryHistory; problem: Problem | null } {
  const asked = useSignal<MemoryHistory | null>(null);
  const problem = useSignal<Problem | null>(null);
  const alive = connection.value.state === "live";
  useEffect(() => {
    const abort = new AbortController();
    get<MemoryHistory>(`/api/v1/memory/history?minutes=${minutes}&points=${kPoints}`, abort.signal).then(
      (answer) => {
        asked.value = answer;
        problem.value = null;
      },
      (error: unknown) => {
        if (!abort.signal.aborted) problem.value = asProblem(error);
      },
    );
    return () => abort.abort();
  }, [minutes, alive]);
  const now = asked.value;
  const samples = live.value;
  const history = useMemo((): MemoryHistory => {
    if (!now) return kNoHistory;
    return { ...now, series: now.series.map((series) => seriesWithLive(series, samples.get(series.device) ?? [])) };
  }, [now, samples]);
  return { history, problem: problem.value };
}

const hasValues = (data: Aligned): boolean => data.values.some((values) => values.some((value) => value !== null && value !== undefined));

function thresholds(total: number, prefix: string): { value: number; critical: boolean }[] {
  return (["warning", "critical"] as const).flatMap((level) => {
    const value = settings.value.find((setting) => setting.name === `gpu.alert_${prefix}${level}_percent`)?.value;
    return typeof value === "number" ? [{ value: (value / 100) * total, critical: level === "critical" }] : [];
  });
}

function Charts({ minutes }: { minutes: number }) {
  const texts = t.value;
  const { history, problem } = useHistory(minutes);
  const cursor = useSignal<number | null>(null);
  const devices = orderedDevices.value;
  const gap = kGapSamples * Math.max(history.interval_seconds, (minutes * 60) / kPoints);
  const to = Math.max(nowMs.value, ...[...live.value.values()].map((samples) => samples[samples.length - 1]?.time_ms ?? 0)) / 1000;
  const from = to - minutes * 60;
  const rangeName = { 10: texts.range10m, 60: texts.range1h, 360: texts.range6h, 1440: texts.range24h }[minutes] ?? "";
  const heard = events.value;
  const marks = useMemo(() => withEvents(history.events, heard).filter((event) => markOf(event.type)), [history.events, heard]).filter((event) => event.time_ms / 1000 > from);
  const gpus = devices.filter((device) => device.id !== "cpu").map((device) => device.id);
  const all = devices.map((device) => device.id);
  const chart = (title: string, reading: Reading, ids: string[], text: (value: number) => string, more: { binary?: boolean; most?: number; area?: boolean; thresholds?: { value: number; critical: boolean }[] }) => {
    const present = ids.filter((id) => history.series.some((series) => series.device === id && series[reading].some((value) => value !== null)));
    if (!present.length) return null;
    const data = align(history, present, reading, gap);
    if (!hasValues(data)) return null;
    const lines: Line[] = present.map((id) => ({ label: deviceName(id), colour: all.indexOf(id) % 8 }));
    return <Chart key={title} {...{ title, lines, data, from, to, rangeName, text, cursor, events: marks, ...more }} />;
  };
  const totalOf = (ids: string[]): number => Math.max(1, ...devices.filter((device) => ids.includes(device.id)).map((device) => device.memory.total));
  if (problem) return <ProblemBox {...told(problem)} />;
  return (
    <>
      <div class="charts">
        {gpus.length
          ? chart(texts.memoryUsed, "used", gpus, format.bytes, { binary: true, most: totalOf(gpus), area: true, thresholds: gpus.length === 1 ? thresholds(totalOf(gpus), "") : [] })
          : null}
        {chart(texts.hostMemory, "used", ["cpu"], format.bytes, { binary: true, most: totalOf(["cpu"]), area: true, thresholds: thresholds(totalOf(["cpu"]), "host_") })}
        {chart(texts.utilisation, "utilisation_percent", all, (value) => `${format.number(value)} %`, { most: 100 })}
        {chart(texts.temperature, "temperature_celsius", all, (value) => `${format.number(value)} °C`, {})}
        {chart(texts.power, "power_watts", all, (value) => `${format.number(value)} W`, {})}
      </div>
      {marks.length ? (
        <section class="card happened" aria-labelledby="happened-title">
          <h2 id="happened-title">{texts.chartEvents}</h2>
          <ul class="feed" role="list">
            {marks.slice(0, 8).map((event) => (
              <EventLine key={eventKey(event)} event={event} />
            ))}
          </ul>
        </section>
      ) : null}
    </>
  );
}

export default function Gpu() {
  const texts = t.value;
  const minutes = useSignal<number>(10);
  const names = [texts.range10m, texts.range1h, texts.range6h, texts.range24h];
  return (
    <section class={isStale.value ? "view stale" : "view"} aria-labelledby="gpu-title">
      <header class="view-header">
        <h1 id="gpu-title">{texts.gpuTitle}</h1>
        <div class="actions">
          <CopyCurl text={() => curl("GET", `/api/v1/memory/history?minutes=${minutes.value}`)} label={texts.gpuTitle} />
          <Choice
            label={texts.range}
            value={String(minutes.value)}
            options={kRanges.map((range, index) => ({ value: String(range), text: names[index] ?? "" }))}
            onChange={(value) => (minutes.value = Number(value))}
          />
        </div>
      </header>
      <div class="devices">
        {orderedDevices.value.map((device) => (
          <DeviceCard key={device.id} device={device} />
        ))}
      </div>
      {status.value?.monitoring?.enabled === false ? <ProblemBox text={texts.monitoringOff} /> : <Charts minutes={minutes.value} />}
      <Alerts />
      {status.value?.host_cache?.images?.length ? (
        <section class="card alerts">
          <h2>{texts.hostCache}</h2>
          <p class="muted">{texts.hostCacheHelp}</p>
          <ul class="feed" role="list">
            {status.value.host_cache.images.map((image) => (
              <li key={`${image.kind} ${image.file}`}>
                <b>{image.kind}</b> <span>{format.bytes(image.bytes)}</span> <span class="muted breaks">{image.file.split("/").pop()}</span>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </section>
  );
}
