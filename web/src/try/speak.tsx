// Speaks a text in a reference voice.
import { signal, useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { asProblem, call, curl, get, type Problem } from "../api/client";
import type { Voice } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { displayName } from "../segments";
import { models } from "../state/store";
import { attempt, Button, CopyCurl, Dialog, Field } from "../ui/parts";
import type { Sound } from "./audio";
import { Failure, filled, Layout, ModelChoice, NumberOption, type Options, Output } from "./form";
import { type Result, runJob } from "./job";
import { Player } from "./player";
import { Source } from "./source";

const voices = signal<Voice[]>([]);

async function refreshVoices(): Promise<void> {
  const answer = await attempt(() => get<{ voices: Voice[] }>("/api/v1/voices"));
  if (answer) voices.value = answer.voices;
}

function AddVoice({ onClose, onAdded }: { onClose: () => void; onAdded: (id: string) => void }) {
  const texts = t.value;
  const sound = useSignal<Sound | null>(null);
  const name = useSignal("");
  const problem = useSignal<Problem | null>(null);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!sound.value) return;
    const body = new FormData();
    body.set("name", name.value || sound.value.name.replace(/\.\w+$/, ""));
    body.set("file", sound.value.file, sound.value.name);
    try {
      const voice = await call<Voice>("POST", "/api/v1/voices", body);
      await refreshVoices();
      onAdded(voice.id);
      onClose();
    } catch (error) {
      problem.value = asProblem(error);
    }
  };
  return (
    <Dialog title={texts.tryVoiceAdd} onClose={onClose}>
      <form onSubmit={save}>
        {sound.value ? (
          <Player sound={sound.value} label={sound.value.name} onRemove={() => (sound.value = null)} />
        ) : (
          <Source id="voice-file" onSound={(one) => (sound.value = one)} />
        )}
        <Field label={texts.tryVoiceName} id="voice-name">
          <input
            id="voice-name"
            value={name.value}
            placeholder={sound.value?.name.replace(/\.\w+$/, "")}
            autocomplete="off"
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
        </Field>
        <Failure problem={problem.value} />
        <footer>
          <Button run={onClose}>{texts.cancel}</Button>
          <Button kind="primary" submit disabled={!sound.value}>
            {texts.tryVoiceSave}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

function VoiceChoice({ value, onChange }: { value: string; onChange: (id: string) => void }) {
  const texts = t.value;
  const adding = useSignal(false);
  const remove = async (voice: Voice): Promise<void> => {
    await attempt(() => call("DELETE", `/api/v1/voices/${encodeURIComponent(voice.id)}`));
    await refreshVoices();
  };
  const current = voices.value.find((voice) => voice.id === value);
  return (
    <div class="field">
      <label for="try-voice">{texts.tryVoice}</label>
      <div class="row">
        {voices.value.length ? (
          <select id="try-voice" value={value} onChange={(event) => onChange(event.currentTarget.value)}>
            {voices.value.map((voice) => (
              <option key={voice.id} value={voice.id}>
                {voice.name} ({format.duration(Math.round(voice.seconds * 10) / 10)})
              </option>
            ))}
          </select>
        ) : (
          <p id="try-voice" class="muted grow">
            {texts.tryVoiceNone}
          </p>
        )}
        <Button icon="add" run={() => (adding.value = true)}>
          {texts.tryVoiceAdd}
        </Button>
        {current ? <Button kind="ghost" icon="trash" label={texts.tryVoiceDelete(current.name)} run={() => remove(current)} /> : null}
      </div>
      {adding.value ? <AddVoice onClose={() => (adding.value = false)} onAdded={onChange} /> : null}
    </div>
  );
}

export function Speak() {
  const texts = t.value;
  const list = useComputed(() => models.value.filter((model) => model.type === "index_tts"));
  const chosen = useSignal("");
  const voice = useSignal("");
  const text = useSignal(texts.tryTextStart);
  const options = useSignal<Options>({});
  const job = useSignal("");
  const problem = useSignal<Problem | null>(null);
  const result = useSignal<Result | null>(null);
  useEffect(() => void refreshVoices(), []);
  if (!list.value.length) return <p class="muted">{texts.tryNoSpeak}</p>;
  const model = chosen.value || (list.value.find((one) => one.status === "loaded") ?? list.value[0])?.id || "";
  const voiceId = voices.value.find((one) => one.id === voice.value)?.id ?? voices.value[0]?.id ?? "";
  const body = (): Record<string, unknown> => ({
    model,
    text: text.value,
    voice: voiceId,
    response_format: "wav",
    ...Object.fromEntries(Object.entries(filled(options.value)).map(([name, value]) => [name, Number(value)])),
  });
  const run = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!voiceId || job.value) return;
    problem.value = null;
    try {
      const title = `${displayName(model)} · ${voices.value.find((one) => one.id === voiceId)?.name ?? ""}`;
      result.value = await runJob("/api/v1/speak", { ...body(), async: true }, title, `speech-${displayName(model)}.wav`, (id) => (job.value = id));
    } catch (error) {
      problem.value = asProblem(error);
    } finally {
      job.value = "";
    }
  };
  return (
    <Layout
      form={
        <form class="stack" onSubmit={run}>
          <ModelChoice list={list.value} value={model} onChange={(id) => (chosen.value = id)} id="speak-model" />
          <VoiceChoice value={voiceId} onChange={(id) => (voice.value = id)} />
          <Field label={texts.tryTextLabel} hint={texts.tryTextHint} id="try-text">
            <textarea id="try-text" value={text.value} required onInput={(event) => (text.value = event.currentTarget.value)} />
          </Field>
          <details>
            <summary>{texts.tryMoreOptions}</summary>
            <div class="grid narrow">
              <NumberOption name="emotion_weight" label={texts.tryEmotionWeight} options={options} min={0} max={1} step={0.05} placeholder="0.65" />
              <NumberOption name="num_beams" label={texts.tryBeams} options={options} min={1} max={10} placeholder="3" />
              <NumberOption name="temperature" label={texts.tryTemperature} options={options} min={0.1} max={2} step={0.1} placeholder="0.8" />
              <NumberOption name="diffusion_steps" label={texts.tryDiffusion} options={options} min={1} max={100} placeholder="25" />
              <NumberOption name="seed" label={texts.trySeed} options={options} min={0} placeholder="0" />
            </div>
          </details>
          <div class="actions">
            <Button kind="primary" icon="bolt" submit disabled={!voiceId || job.value !== ""}>
              {texts.trySpeak}
            </Button>
            <CopyCurl text={() => `${curl("POST", "/api/v1/speak", body())} -o out.wav`} label={texts.trySpeak} />
          </div>
        </form>
      }
      result={<Output job={job} problem={problem.value} result={result.value} />}
    />
  );
}
