// Converts a recording with a voice.
import { type Signal, useComputed, useSignal } from "@preact/signals";
import { asProblem, curl, type Problem } from "../api/client";
import { t } from "../i18n";
import { displayName } from "../segments";
import { models } from "../state/store";
import { Button, CopyCurl, Field } from "../ui/parts";
import type { Sound } from "./audio";
import { filled, Layout, ModelChoice, NumberOption, type Options, Output, SliderOption } from "./form";
import { type Result, runJob } from "./job";
import { Player } from "./player";
import { Source } from "./source";

function Speaker({ model, options }: { model: string; options: Signal<Options> }) {
  const speakers = models.value.find((one) => one.id === model)?.speakers ?? [];
  if (speakers.length < 2) return null;
  return (
    <Field label={t.value.trySpeaker} id="try-speaker">
      <select
        id="try-speaker"
        value={options.value.speaker ?? "1"}
        onChange={(event) => (options.value = { ...options.value, speaker: event.currentTarget.value })}
      >
        {speakers.map((speaker, index) => {
          const id = typeof speaker === "object" ? (speaker.id ?? index + 1) : index + 1;
          const name = typeof speaker === "object" ? (speaker.name ?? String(id)) : speaker;
          return (
            <option key={id} value={String(id)}>
              {name}
            </option>
          );
        })}
      </select>
    </Field>
  );
}

export function Convert() {
  const texts = t.value;
  const list = useComputed(() => models.value.filter((model) => model.type !== "index_tts"));
  const chosen = useSignal("");
  const sound = useSignal<Sound | null>(null);
  const options = useSignal<Options>({ key: "0", formant: "0" });
  const job = useSignal("");
  const problem = useSignal<Problem | null>(null);
  const result = useSignal<Result | null>(null);
  if (!list.value.length) return <p class="muted">{texts.tryNoConvert}</p>;
  const model = chosen.value || (list.value.find((one) => one.status === "loaded") ?? list.value[0])?.id || "";

  const run = async (event: Event): Promise<void> => {
    event.preventDefault();
    const source = sound.value;
    if (!source || job.value) return;
    problem.value = null;
    const body = new FormData();
    body.set("model", model);
    for (const [name, value] of Object.entries(filled(options.value))) body.set(name, value);
    body.set("response_format", "wav");
    body.set("async", "true");
    body.set("file", source.file, source.name);
    try {
      const name = `${source.name.replace(/\.\w+$/, "")}-${displayName(model)}.wav`;
      result.value = await runJob("/api/v1/convert", body, displayName(model), name, (id) => (job.value = id));
    } catch (error) {
      problem.value = asProblem(error);
    } finally {
      job.value = "";
    }
  };
  const copy = (): string =>
    `${curl("POST", "/api/v1/convert", undefined, { model, ...filled(options.value), file: `@${sound.value?.name ?? "in.wav"}` })} -o out.wav`;
  return (
    <Layout
      form={
        <form class="stack" onSubmit={run}>
          <ModelChoice list={list.value} value={model} onChange={(id) => (chosen.value = id)} id="convert-model" />
          {sound.value ? (
            <Player sound={sound.value} label={`${texts.input}: ${sound.value.name}`} onRemove={() => (sound.value = null)} />
          ) : (
            <Source id="convert-file" onSound={(one) => (sound.value = one)} />
          )}
          <div class="grid narrow">
            <SliderOption name="key" label={texts.tryKey} options={options} min={-24} max={24} />
            <SliderOption name="formant" label={texts.tryFormant} options={options} min={-5} max={5} step={0.5} />
          </div>
          <Speaker model={model} options={options} />
          <details>
            <summary>{texts.tryMoreOptions}</summary>
            <div class="grid narrow">
              <NumberOption name="vocal_register" label={texts.tryRegister} options={options} min={-12} max={12} step={0.5} />
              <NumberOption name="steps" label={texts.trySteps} options={options} min={1} max={1000} placeholder={texts.tryStepsHint} />
              <NumberOption name="threshold" label={texts.tryThreshold} options={options} min={-120} max={0} placeholder="-60" />
              <NumberOption name="seed" label={texts.trySeed} options={options} min={0} placeholder="0" />
            </div>
          </details>
          <div class="actions">
            <Button kind="primary" icon="bolt" submit disabled={!sound.value || job.value !== ""}>
              {texts.tryConvert}
            </Button>
            <CopyCurl text={copy} label={texts.tryConvert} />
          </div>
        </form>
      }
      result={<Output job={job} problem={problem.value} result={result.value} />}
    />
  );
}
