// What both forms share: options, the job under way, the result.
import { type Signal, useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Problem } from "../api/client";
import type { Job, Model } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { displayName } from "../segments";
import { jobs, nowMs } from "../state/store";
import { attempt, Button, Field, Meter, ProblemBox, told } from "../ui/parts";
import { cancelJob, type Result } from "./job";
import { Player } from "./player";

export type Options = Record<string, string>;

export function NumberOption(props: { name: string; label: string; options: Signal<Options>; min?: number; max?: number; step?: number; placeholder?: string }) {
  const id = `try-${props.name}`;
  return (
    <Field label={props.label} id={id}>
      <input
        id={id}
        type="number"
        min={props.min}
        max={props.max}
        step={props.step ?? 1}
        placeholder={props.placeholder}
        value={props.options.value[props.name] ?? ""}
        onInput={(event) => (props.options.value = { ...props.options.value, [props.name]: event.currentTarget.value })}
      />
    </Field>
  );
}

export function SliderOption(props: { name: string; label: string; options: Signal<Options>; min: number; max: number; step?: number }) {
  const id = `try-${props.name}`;
  const value = props.options.value[props.name] ?? "0";
  return (
    <div class="field">
      <label for={id}>
        {props.label} <output for={id}>{Number(value) > 0 ? `+${value}` : value}</output>
      </label>
      <input
        id={id}
        type="range"
        min={props.min}
        max={props.max}
        step={props.step ?? 1}
        value={value}
        onInput={(event) => (props.options.value = { ...props.options.value, [props.name]: event.currentTarget.value })}
      />
    </div>
  );
}

// What was filled in, as fields of a request.
export const filled = (options: Options): Options => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== ""));

export function ModelChoice(props: { list: readonly Model[]; value: string; onChange: (id: string) => void; id: string }) {
  return (
    <Field label={t.value.tryModel} id={props.id}>
      <select id={props.id} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        {props.list.map((model) => (
          <option key={model.id} value={model.id}>
            {displayName(model.id)}
          </option>
        ))}
      </select>
    </Field>
  );
}

function stateText(job: Job | undefined): string {
  const texts = t.value;
  if (!job || job.state === "queued") return texts.jobQueued;
  const parts = [texts.jobRunning(job.stage && (texts.jobStages[job.stage] ?? job.stage)), format.percent(job.fraction)];
  if (job.started_ms && job.fraction > 0.05) {
    const passed = (nowMs.value - job.started_ms) / 1000;
    const left = (passed / job.fraction) * (1 - job.fraction);
    if (left >= 1) parts.push(texts.jobEta(format.duration(Math.round(left))));
  }
  return parts.join(" · ");
}

export function Progress({ id }: { id: Signal<string> }) {
  const job = useComputed(() => jobs.value.find((one) => String(one.id) === id.value));
  if (!id.value) return null;
  return (
    <div class="progress" role="group">
      <Meter fraction={job.value?.fraction ?? 0} label={t.value.jobRunning()} />
      <p class="muted">{stateText(job.value)}</p>
      <Button icon="stop" run={() => attempt(() => cancelJob(id.value))}>
        {t.value.cancel}
      </Button>
    </div>
  );
}

export function Failure({ problem }: { problem: Problem | null }) {
  if (!problem || problem.code === "cancelled") return null;
  return <ProblemBox {...told(problem)} />;
}

export function ResultView({ result, label, register }: { result: Result; label: string; register?: (audio: HTMLAudioElement | null) => void }) {
  const texts = t.value;
  const told = result.job.result;
  const facts: string[] = [texts.audioLength(format.duration(Math.round(result.sound.seconds * 10) / 10))];
  if (result.job.started_ms && result.job.ended_ms) facts.push(texts.took(format.duration((result.job.ended_ms - result.job.started_ms) / 1000)));
  if (told?.real_time_factor) facts.push(texts.rtf(format.number(told.real_time_factor, 2)));
  return (
    <div>
      <Player sound={result.sound} label={label} download={result.sound.name} register={register} />
      <p class="muted small">
        {result.title} · {facts.join(" · ")}
      </p>
      {(told?.notices ?? []).map((notice) => (
        <p key={notice} class="muted small breaks">
          {notice}
        </p>
      ))}
    </div>
  );
}

export function Layout({ form, result }: { form: ComponentChildren; result: ComponentChildren }) {
  return (
    <div class="try">
      <div class="card">{form}</div>
      <div class="card">{result}</div>
    </div>
  );
}

// What came out, or what is being done about it, or why nothing came out.
export function Output(props: { job: Signal<string>; problem: Problem | null; result: Result | null }) {
  const texts = t.value;
  return (
    <div class="stack" aria-live="polite">
      <h2>{texts.output}</h2>
      <Progress id={props.job} />
      <Failure problem={props.problem} />
      {props.result ? (
        <ResultView key={props.result.job.id} result={props.result} label={`${texts.output}: ${props.result.sound.name}`} />
      ) : !props.job.value && !props.problem ? (
        <p class="muted">{texts.resultNone}</p>
      ) : null}
    </div>
  );
}
