// The first visit: nothing is there yet.
import { useComputed, useSignal } from "@preact/signals";
import { call } from "../api/client";
import type { Job } from "../api/types";
import { t } from "../i18n";
import { jobs, refreshModels } from "../state/store";
import { Icon } from "../ui/icon";
import { attempt, Button, Meter, ProblemBox } from "../ui/parts";

const errorOf = (job: Job): string => (typeof job.error === "string" ? job.error : (job.error?.detail ?? job.error?.title ?? ""));

export function Welcome({ onAdd }: { onAdd: () => void }) {
  const texts = t.value;
  const asked = useSignal("");
  const job = useComputed(() =>
    jobs.value.find((one) => (asked.value ? String(one.id) === asked.value : one.kind === "demo" && (one.state === "running" || one.state === "queued"))),
  );
  const start = async (): Promise<void> => {
    const answer = await attempt(() => call<{ job?: Job | string } & Partial<Job>>("POST", "/api/v1/demo"));
    if (!answer) return;
    const told = typeof answer.job === "object" ? answer.job : undefined;
    asked.value = String(told?.id ?? answer.job ?? answer.id ?? "");
    if (told && !jobs.value.some((known) => known.id === told.id)) jobs.value = [told, ...jobs.value];
    refreshModels();
  };
  const now = job.value;
  const busy = now !== undefined && (now.state === "running" || now.state === "queued");
  return (
    <div class="welcome">
      <h2>{texts.welcomeTitle}</h2>
      <p class="lead">{texts.welcomeText}</p>
      <ol class="steps" aria-label={texts.stepsTitle}>
        <li>
          <Icon name="add" /> {texts.stepOne}
        </li>
        <li>
          <Icon name="models" /> {texts.stepTwo}
        </li>
        <li>
          <Icon name="try" /> {texts.stepThree}
        </li>
      </ol>
      <div class="pair">
        <div class="card">
          <Button kind="primary" icon="bolt" run={start} disabled={busy}>
            {texts.welcomeDemo}
          </Button>
          <p class="muted">{texts.welcomeDemoText}</p>
          {busy ? <Meter fraction={now.fraction} label={texts.demoRunning} /> : null}
          {now?.state === "failed" ? <ProblemBox title={texts.demoFailed} text={errorOf(now)} /> : null}
        </div>
        <div class="card">
          <Button icon="folder" run={onAdd}>
            {texts.welcomeOwn}
          </Button>
          <p class="muted">{texts.welcomeOwnText}</p>
        </div>
      </div>
    </div>
  );
}
