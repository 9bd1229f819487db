// Activity: what happened, and why.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../api/client";
import type { Decision } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { eventKey } from "../state/reconcile";
import { events, fetchOlder, hasOlder, models } from "../state/store";
import { displayName } from "../segments";
import { deviceName } from "../ui/bar";
import { causeText, EventLine, type Kind, kindOfEvent } from "../ui/event_line";
import { Icon } from "../ui/icon";
import { attempt, Button, Choice, Field } from "../ui/parts";

type Filter = "all" | Kind;

function Candidates({ decision }: { decision: Decision }) {
  const texts = t.value;
  if (!decision.candidates.length) return null;
  return (
    <ul class="candidates" role="list">
      {decision.candidates.map((one) => (
        <li key={one.component}>
          <span class={`state ${one.evicted ? "bad" : "calm"}`}>
            <Icon name={one.evicted ? "up" : "check"} size={15} /> {one.evicted ? texts.decisionWent : texts.decisionStayed}
          </span>
          <b class="breaks">{one.component}</b>
          <span class="muted">
            {format.bytes(one.bytes)} · {texts.idleFor(format.duration(Math.round(one.idle_seconds)))} ·{" "}
            {texts.decisionUses(format.number(one.uses, 1))} · {texts.decisionReload(format.duration(one.reload_seconds))}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Decisions() {
  const texts = t.value;
  const list = useSignal<Decision[]>([]);
  const newest = events.value[0]?.id;
  useEffect(() => {
    const abort = new AbortController();
    get<{ decisions: Decision[] }>("/api/v1/decisions?limit=50", abort.signal).then(
      (answer) => (list.value = answer.decisions.filter((one) => one.verdict !== "grant").slice(0, 10)),
      () => undefined, // the connection's state is told above
    );
    return () => abort.abort();
  }, [newest]);
  return (
    <section class="card" aria-labelledby="decisions-title">
      <h2 id="decisions-title">{texts.decisionsTitle}</h2>
      <p class="muted">{texts.decisionsText}</p>
      {list.value.length ? (
        <ol class="decisions">
          {list.value.map((one) => (
            <li key={`${one.sequence} ${one.time_ms}`}>
              <p>
                <time class="muted">{format.clock(one.time_ms)}</time> <b class="breaks">{causeText(one.purpose)}</b>
                {" — "}
                {texts.verdict[one.verdict] ?? one.verdict}
                <span class="muted">
                  {" · "}
                  {deviceName(one.device)}: {texts.decisionNeeded(format.bytes(one.needed_bytes), format.bytes(one.free_bytes), format.bytes(one.capacity_bytes))}
                </span>
              </p>
              <Candidates decision={one} />
            </li>
          ))}
        </ol>
      ) : (
        <p class="muted">{texts.decisionsNone}</p>
      )}
    </section>
  );
}

export function Activity() {
  const texts = t.value;
  const filter = useSignal<Filter>("all");
  const model = useSignal("");
  const shown = events.value.filter(
    (event) => (filter.value === "all" || kindOfEvent(event.type) === filter.value) && (!model.value || event.model_id === model.value),
  );
  const filters: { value: Filter; text: string }[] = [
    { value: "all", text: texts.filterAll },
    { value: "loads", text: texts.filterLoads },
    { value: "freed", text: texts.filterFreed },
    { value: "problems", text: texts.filterProblems },
    { value: "tasks", text: texts.filterTasks },
  ];
  const names = [...new Set([...models.value.map((one) => one.id), ...events.value.flatMap((event) => (event.model_id ? [event.model_id] : []))])].sort();
  return (
    <section class="view" aria-labelledby="activity-title">
      <header class="view-header">
        <h1 id="activity-title">{texts.activityTitle}</h1>
        <p>{texts.activityText}</p>
      </header>
      <div class="filters">
        <Choice label={texts.activityFilter} value={filter.value} options={filters} onChange={(value) => (filter.value = value)} />
        <Field label={texts.activitySearch} id="activity-model">
          <select id="activity-model" value={model.value} onChange={(event) => (model.value = event.currentTarget.value)}>
            <option value="">{texts.filterAll}</option>
            {names.map((name) => (
              <option key={name} value={name}>
                {displayName(name)}
              </option>
            ))}
          </select>
        </Field>
      </div>
      <div class="columns">
        <div class="card">
          {shown.length ? (
            <ol class="feed">
              {shown.map((event) => (
                <EventLine key={eventKey(event)} event={event} withDate />
              ))}
            </ol>
          ) : (
            <p class="muted">{events.value.length ? texts.activityNoMatch : texts.activityNone}</p>
          )}
          {hasOlder.value ? <Button run={() => attempt(fetchOlder)}>{texts.activityOlder}</Button> : null}
        </div>
        <Decisions />
      </div>
    </section>
  );
}
