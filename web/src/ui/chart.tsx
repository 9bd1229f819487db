// A chart over time: gaps stay gaps, what happened stands on the axis, and it can be read without eyes.
import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { ServerEvent } from "../api/types";
import * as format from "../format";
import { language, t } from "../i18n";
import type { Aligned } from "../state/reconcile";
import { theme } from "../state/preferences";

export interface Line {
  label: string;
  colour: number; // of the palette
}

interface ChartProps {
  title: string;
  lines: readonly Line[];
  data: Aligned;
  from: number; // seconds since 1970
  to: number;
  rangeName: string;
  text: (value: number) => string;
  binary?: boolean; // the axis counts in powers of two
  most?: number; // the top of the axis; as high as the values when absent
  area?: boolean;
  thresholds?: readonly { value: number; critical: boolean }[];
  events: readonly ServerEvent[];
  cursor: Signal<number | null>; // the moment pointed at, for all charts together
}

const kHeight = 190;
const kDashes = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const kTableRows = 25;

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

type Mark = "up" | "down" | "alarm";
export function markOf(type: string): Mark | undefined {
  if (/^(load_completed|promoted|task_preloaded)$/.test(type)) return "up";
  if (/^(unload_completed|evicted|demoted|auto_cleanup|task_cleaned)$/.test(type)) return "down";
  if (/^(alert|load_failed|memory_missing|worker_lost)$/.test(type)) return "alarm";
  return undefined;
}

function drawEvents(plot: UPlot, events: readonly ServerEvent[]): void {
  const { ctx, bbox } = plot;
  const unit = devicePixelRatio;
  ctx.save();
  for (const event of events) {
    const mark = markOf(event.type);
    const x = plot.valToPos(event.time_ms / 1000, "x", true);
    if (!mark || x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = css(mark === "up" ? "--accent" : mark === "alarm" ? "--bad" : "--muted");
    ctx.lineWidth = unit;
    ctx.globalAlpha = 0.55;
    ctx.setLineDash([3 * unit, 3 * unit]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + 8 * unit);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    const size = 4.5 * unit;
    const y = bbox.top + size;
    const tip = mark === "down" ? size : -size;
    ctx.beginPath();
    if (mark === "alarm") ctx.rect(x - size * 0.8, y - size * 0.8, size * 1.6, size * 1.6);
    else {
      ctx.moveTo(x, y + tip);
      ctx.lineTo(x - size, y - tip);
      ctx.lineTo(x + size, y - tip);
    }
    ctx.fill();
  }
  ctx.restore();
}

function drawThresholds(plot: UPlot, thresholds: NonNullable<ChartProps["thresholds"]>): void {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const { value, critical } of thresholds) {
    const y = plot.valToPos(value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = css(critical ? "--bad" : "--warn");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(critical ? [] : [6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

const kBinarySteps = Array.from({ length: 44 }, (_, power) => 2 ** power);

function axis(text: (value: number) => string, side: "x" | "y", binary = false): UPlot.Axis {
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return {
    stroke: css("--muted"),
    font,
    size: side === "x" ? 28 : 74,
    gap: 6,
    space: side === "x" ? 80 : 36,
    grid: { stroke: css("--line"), width: 1, show: side === "y" },
    ticks: { show: false },
    ...(binary ? { incrs: kBinarySteps } : {}),
    values: (_plot, splits) => splits.map((value) => text(value)),
  };
}

function optionsOf(props: ChartProps, width: number, latest: { current: ChartProps }): UPlot.Options {
  return {
    width,
    height: kHeight,
    legend: { show: false },
    padding: [6, 8, 0, 0],
    cursor: { sync: { key: "greenroom" }, points: { size: 7 }, drag: { x: false, y: false }, y: false },
    scales: {
      x: { time: true, range: () => [latest.current.from, latest.current.to] },
      y: { range: (_plot, _least, most) => [0, latest.current.most ?? Math.max(1, (most ?? 1) * 1.15)] },
    },
    axes: [axis((value) => format.clock(value * 1000, false), "x"), axis((value) => latest.current.text(value), "y", props.binary)],
    series: [
      {},
      ...props.lines.map((line, index): UPlot.Series => {
        const stroke = css(`--m${line.colour}`);
        const dash = kDashes[index % kDashes.length] ?? [];
        return { label: line.label, stroke, width: 1.5, dash, points: { show: false }, ...(props.area ? { fill: `${stroke}22` } : {}) };
      }),
    ],
    hooks: {
      drawAxes: [(plot) => drawThresholds(plot, latest.current.thresholds ?? [])],
      draw: [(plot) => drawEvents(plot, latest.current.events)],
      setCursor: [
        (plot) => {
          const index = plot.cursor.idx;
          latest.current.cursor.value = index === null || index === undefined || (plot.cursor.left ?? -1) < 0 ? null : (plot.data[0][index] ?? null);
        },
      ],
    },
  };
}

function lastValue(values: readonly (number | null)[]): number | null {
  for (let index = values.length - 1; index >= 0; index--) {
    const value = values[index];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

const highest = (values: readonly (number | null)[]): number => values.reduce<number>((most, value) => Math.max(most, value ?? most), -Infinity);

function at(data: Aligned, line: number, moment: number | null): number | null {
  const values = data.values[line] ?? [];
  if (moment === null) return lastValue(values);
  const index = data.seconds.indexOf(moment);
  for (let back = index; back >= 0 && back > index - 3; back--) {
    const value = values[back];
    if (value !== undefined) return value;
  }
  return null;
}

function sentence(props: ChartProps): string {
  const parts = props.lines.flatMap((line, index) => {
    const values = props.data.values[index] ?? [];
    const now = lastValue(values);
    if (now === null) return [t.value.chartNothing(line.label)];
    return [t.value.chartNow(line.label, props.text(now), props.text(highest(values)), props.rangeName)];
  });
  return `${props.title}. ${parts.join(". ")}`;
}

function Table({ props, id }: { props: ChartProps; id: string }) {
  const { seconds, values } = props.data;
  const step = Math.max(1, Math.ceil(seconds.length / kTableRows));
  const rows = seconds.map((_, index) => index).filter((index) => index % step === 0);
  return (
    <div class="hidden-visually">
      <table id={id}>
        <caption>{t.value.chartTable(props.title)}</caption>
        <thead>
          <tr>
            <th scope="col">{t.value.time}</th>
            {props.lines.map((line) => (
              <th key={line.label} scope="col">
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={seconds[row]}>
              <th scope="row">{format.clock((seconds[row] ?? 0) * 1000)}</th>
              {props.lines.map((line, index) => {
                const value = values[index]?.[row];
                return <td key={line.label}>{value === null || value === undefined ? "–" : props.text(value)}</td>;
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Chart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const id = useId();
  const spoken = useSignal("");
  const debounce = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const key = props.lines.map((line) => `${line.label} ${line.colour}`).join("|");

  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const make = (): void => {
      plot.current?.destroy();
      const now = latest.current;
      const data = [now.data.seconds, ...now.data.values] as unknown as UPlot.AlignedData;
      plot.current = new UPlot(optionsOf(now, Math.max(200, element.clientWidth), latest), data, element);
    };
    make();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(200, element.clientWidth), height: kHeight }));
    resized.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", make);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [key, theme.value, language.value]);

  useEffect(() => {
    plot.current?.setData([props.data.seconds, ...props.data.values] as unknown as UPlot.AlignedData);
  }, [props.data, props.from, props.to]);

  const walk = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const drawn = plot.current;
    if (!step || !drawn) return;
    event.preventDefault();
    const { seconds } = props.data;
    const current = props.cursor.value === null ? -1 : seconds.indexOf(props.cursor.value);
    const stride = Math.max(1, Math.round(seconds.length / 60));
    const next = current < 0 ? seconds.length - 1 : Math.max(0, Math.min(seconds.length - 1, current + step * stride));
    const moment = seconds[next];
    if (moment === undefined) return;
    drawn.setCursor({ left: drawn.valToPos(moment, "x"), top: 1 });
    props.cursor.value = moment;
    clearTimeout(debounce.current);
    debounce.current = setTimeout(() => {
      const parts = props.lines.map((line, index) => {
        const value = at(props.data, index, moment);
        return `${line.label} ${value === null ? "–" : props.text(value)}`;
      });
      spoken.value = `${format.clock(moment * 1000)}: ${parts.join(", ")}`;
    }, 250);
  };
  const moment = props.cursor.value;
  return (
    <figure class="card chart" aria-label={sentence(props)} aria-details={id}>
      <figcaption>
        <h3>{props.title}</h3>
        <ul role="list">
          {props.lines.map((line, index) => {
            const value = at(props.data, index, moment);
            return (
              <li key={line.label}>
                <svg width="22" height="8" aria-hidden="true">
                  <line x1="0" x2="22" y1="4" y2="4" stroke={`var(--m${line.colour})`} stroke-width="2" stroke-dasharray={(kDashes[index % 4] ?? []).join(" ")} />
                </svg>
                {line.label} <b>{value === null ? "–" : props.text(value)}</b>
              </li>
            );
          })}
        </ul>
      </figcaption>
      <div ref={place} class="plot" tabIndex={0} role="application" aria-label={`${props.title}. ${t.value.chartKeys}`} onKeyDown={walk} />
      <p class="hidden-visually" aria-live="polite">
        {spoken.value}
      </p>
      <Table props={props} id={id} />
    </figure>
  );
}
