// Try it: hear what a model does. Fetched when it is opened.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { t } from "../i18n";
import { Button, Choice } from "../ui/parts";
import { Convert } from "./convert";
import { ResultView } from "./form";
import { results } from "./job";
import { Speak } from "./speak";
import "../styles/try.css";

// The last two, to switch between while they play.
function Compare() {
  const texts = t.value;
  const decks = useRef<(HTMLAudioElement | null)[]>([null, null]);
  const [newest, before] = results.value;
  if (!newest || !before) return null;
  const change = (): void => {
    const [a, b] = decks.current;
    if (!a || !b) return;
    const from = !b.paused ? b : a;
    const to = from === a ? b : a;
    to.currentTime = Math.min(from.currentTime, to.duration || 0);
    from.pause();
    void to.play();
  };
  return (
    <section class="card compare" aria-labelledby="compare-title">
      <div class="row wrap">
        <div class="grow">
          <h2 id="compare-title">{texts.compareTitle}</h2>
          <p class="muted">{texts.compareText}</p>
        </div>
        <Button icon="swap" run={change}>
          {texts.compareSwitch}
        </Button>
      </div>
      <div class="pair">
        {[before, newest].map((result, index) => (
          <ResultView key={result.job.id} result={result} label={`${"AB"[index]}: ${result.title}`} register={(audio) => (decks.current[index] = audio)} />
        ))}
      </div>
    </section>
  );
}

export default function Try() {
  const texts = t.value;
  const tab = useSignal<"convert" | "speak">("convert");
  return (
    <section class="view" aria-labelledby="try-title">
      <header class="view-header">
        <h1 id="try-title">{texts.tryTitle}</h1>
        <Choice
          label={texts.tryTitle}
          value={tab.value}
          options={[
            { value: "convert", text: texts.tabConvert },
            { value: "speak", text: texts.tabSpeak },
          ]}
          onChange={(value) => (tab.value = value)}
        />
        <p>{texts.tryText}</p>
      </header>
      {tab.value === "convert" ? <Convert /> : <Speak />}
      <Compare />
    </section>
  );
}
