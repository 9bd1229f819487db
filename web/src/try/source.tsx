// Where a recording comes from: a file, or the microphone.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as format from "../format";
import { t } from "../i18n";
import { Icon } from "../ui/icon";
import { Button, ProblemBox } from "../ui/parts";
import { canRecord, readSound, record, type Recording, type Sound } from "./audio";

function RecordButton(props: { onSound: (sound: Sound) => void; onProblem: (text: string) => void }) {
  const texts = t.value;
  const recording = useSignal<Recording | null>(null);
  const since = useSignal(0);
  const now = useSignal(0);
  useEffect(() => {
    if (!recording.value) return undefined;
    const timer = setInterval(() => (now.value = Date.now()), 200);
    return () => clearInterval(timer);
  }, [recording.value]);
  useEffect(() => () => void recording.peek()?.stop(), []);
  const start = async (): Promise<void> => {
    if (!canRecord()) return props.onProblem(texts.tryNoMicrophone);
    try {
      recording.value = await record();
      since.value = now.value = Date.now();
      return undefined;
    } catch {
      return props.onProblem(texts.tryMicrophoneDenied);
    }
  };
  const stop = async (): Promise<void> => {
    const blob = await recording.value?.stop();
    recording.value = null;
    if (!blob) return;
    try {
      props.onSound(await readSound(blob, `recording-${new Date().toISOString().slice(11, 19).replaceAll(":", "")}.webm`));
    } catch {
      props.onProblem(texts.tryUnreadable);
    }
  };
  if (!recording.value) {
    return (
      <Button icon="microphone" run={start}>
        {texts.tryRecord}
      </Button>
    );
  }
  return (
    <Button kind="danger" icon="stop" run={stop}>
      {texts.tryStop} · {texts.tryRecording(format.duration(Math.floor((now.value - since.value) / 1000)))}
    </Button>
  );
}

export function Source({ id, onSound }: { id: string; onSound: (sound: Sound) => void }) {
  const texts = t.value;
  const input = useRef<HTMLInputElement>(null);
  const over = useSignal(false);
  const problem = useSignal("");
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    try {
      onSound(await readSound(file, file.name));
      problem.value = "";
    } catch {
      problem.value = `${file.name}: ${texts.tryUnreadable}`;
    }
  };
  return (
    <div>
      <div
        class={over.value ? "drop over" : "drop"}
        onDragOver={(event) => (event.preventDefault(), (over.value = true))}
        onDragLeave={() => (over.value = false)}
        onDrop={(event) => {
          event.preventDefault();
          over.value = false;
          void take(event.dataTransfer?.files[0]);
        }}
      >
        <Icon name="try" size={26} />
        <p>{texts.tryDrop}</p>
        <div class="actions">
          <Button icon="folder" run={() => input.current?.click()}>
            {texts.tryChoose}
          </Button>
          <RecordButton onSound={(sound) => ((problem.value = ""), onSound(sound))} onProblem={(text) => (problem.value = text)} />
        </div>
        <input
          ref={input}
          id={id}
          class="hidden-visually"
          type="file"
          accept="audio/*,.flac,.wav,.ogg,.mp3,.m4a"
          tabIndex={-1}
          aria-label={texts.tryChoose}
          onChange={(event) => {
            void take(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      {problem.value ? <ProblemBox text={problem.value} /> : null}
    </div>
  );
}
