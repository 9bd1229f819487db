// Models: what there is, what is loaded, and one click between the two.
import { useComputed, useSignal } from "@preact/signals";
import { call, curl, modelPath, asProblem } from "../api/client";
import type { Model } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { displayName } from "../segments";
import { endPreview, previewPlan } from "../state/plan";
import { colourOf, models, nowMs, ready, refreshDevices, refreshModels, settings, lastHeardMs } from "../state/store";
import { deviceName } from "../ui/bar";
import { Icon, type IconName } from "../ui/icon";
import { attempt, Button, Meter, ProblemBox, toldOf, tell } from "../ui/parts";
import { AddDialog } from "./add_model";
import { ModelDetails } from "./model_details";
import { Welcome } from "./welcome";

export const typeName = (type: string): string =>
  type === "ddsp_svc" ? t.value.typeDdsp : type === "index_tts" ? t.value.typeTts : type;

const canLoad = (model: Model): boolean => model.status === "unloaded" || model.status === "error";
const canUnload = (model: Model): boolean => model.status === "loaded";

export async function loadModel(id: string, device?: string): Promise<void> {
  endPreview();
  try {
    await call("POST", modelPath(id, "load"), { wait: false, ...(device ? { device } : {}) });
  } catch (error) {
    const problem = asProblem(error);
    // Where it failed is where one looks: the row says so.
    models.value = models.value.map((model) =>
      model.id === id ? { ...model, status: "error", error: problem.message, error_code: problem.code, remedy: problem.remedy } : model,
    );
    return;
  }
  refreshModels();
}

async function unloadModel(id: string, force = false): Promise<void> {
  await attempt(() => call("POST", modelPath(id, "unload"), force ? { force } : {}));
  refreshModels();
  refreshDevices();
}

const stateOf = (model: Model): { words: string; icon: IconName; kind: string } => {
  const texts = t.value;
  switch (model.status) {
    case "loaded":
      return model.leases > 0
        ? { words: texts.statusInUse, icon: "bolt", kind: "busy" }
        : { words: texts.statusLoaded, icon: "check", kind: "good" };
    case "loading":
      return { words: texts.statusLoading, icon: "download", kind: "busy" };
    case "unloading":
      return { words: texts.statusUnloading, icon: "up", kind: "busy" };
    case "error":
      return { words: texts.statusError, icon: "error", kind: "bad" };
    default:
      return { words: texts.statusUnloaded, icon: "clock", kind: "calm" };
  }
};

function idleSeconds(model: Model): number | undefined {
  if (model.idle_seconds === undefined || model.leases > 0) return undefined;
  if (model.last_used_ms) return Math.max(0, (nowMs.value - model.last_used_ms) / 1000);
  return model.idle_seconds + Math.max(0, (nowMs.value - lastHeardMs.value) / 1000);
}

// When the sweep takes it; undefined when it does not.
function secondsLeft(model: Model, idle: number): number | undefined {
  if (model.pinned || model.baseline || model.holds > 0) return undefined;
  const own = model.keep_alive_seconds;
  if (own !== null && own !== undefined) return own > 0 && own < 1e8 ? Math.max(0, own - idle) : undefined;
  const value = (name: string): unknown => settings.value.find((setting) => setting.name === name)?.value;
  const minutes = value("gpu.idle_timeout_minutes");
  if (value("gpu.auto_cleanup_enabled") === false || typeof minutes !== "number") return undefined;
  return Math.max(0, minutes * 60 - idle);
}

function Facts({ model }: { model: Model }) {
  const texts = t.value;
  const shared = model.components.filter((one) => one.shared_with.length > 0).reduce((bytes, one) => bytes + one.bytes, 0);
  const facts: string[] = [];
  if (model.bytes > 0) {
    facts.push(format.bytes(model.bytes));
    if (shared > 0) facts.push(texts.ofShared(format.bytes(shared)));
  } else if (model.estimated_bytes) facts.push(texts.estimated(format.bytes(model.estimated_bytes)));
  if (model.placed && model.status !== "unloaded") facts.push(texts.placedOn(deviceName(model.placed)));
  if (model.leases > 0) facts.push(texts.running(model.leases));
  if (model.waiting > 0) facts.push(texts.waitingFor(model.waiting));
  const idle = model.status === "loaded" ? idleSeconds(model) : undefined;
  if (idle !== undefined && idle >= 1) {
    facts.push(texts.idleFor(format.duration(Math.floor(idle))));
    const left = secondsLeft(model, idle);
    if (left !== undefined) facts.push(texts.idleGoes(format.duration(left)));
  }
  return <p class="facts muted">{facts.join(" · ")}</p>;
}

function Action({ model }: { model: Model }) {
  const texts = t.value;
  const name = displayName(model.id);
  if (model.status === "loading") {
    return (
      <Button icon="stop" run={() => attempt(() => call("POST", modelPath(model.id, "cancel")))} label={`${texts.cancel}: ${name}`} title={texts.cancelLoad}>
        {texts.cancel}
      </Button>
    );
  }
  if (canUnload(model)) {
    return (
      <Button run={() => unloadModel(model.id)} label={texts.unloadOf(name)}>
        {texts.unload}
      </Button>
    );
  }
  return (
    <Button
      kind="primary"
      disabled={!canLoad(model)}
      run={() => loadModel(model.id)}
      label={model.status === "error" ? `${texts.retry}: ${name}` : texts.loadOf(name)}
      onEnter={() => canLoad(model) && previewPlan(name, { load: [model.id] })}
      onLeave={endPreview}
    >
      {model.status === "error" ? texts.retry : texts.load}
    </Button>
  );
}

function Row(props: { model: Model; selected: boolean; onSelect: (on: boolean) => void }) {
  const { model } = props;
  const open = useSignal(false);
  const texts = t.value;
  const name = displayName(model.id);
  const state = stateOf(model);
  const detailsId = `details-${model.id}`;
  return (
    <li class={`card model ${model.status}`}>
      <div class="row">
        <label class="select">
          <input
            type="checkbox"
            checked={props.selected}
            onChange={(event) => props.onSelect(event.currentTarget.checked)}
            aria-label={texts.selectOne(name)}
          />
        </label>
        <span class={`swatch seg own m${colourOf(model.id)}`} aria-hidden="true" />
        <div class="grow">
          <h2 class="name">
            {name} <small>{typeName(model.type)}</small>
            {model.pinned ? (
              <span class="tag">
                <Icon name="pin" size={13} /> {texts.pinned}
              </span>
            ) : null}
            {model.baseline ? <span class="tag">{texts.baseline}</span> : null}
          </h2>
          <Facts model={model} />
        </div>
        <span class={`state ${state.kind}`}>
          <Icon name={state.icon} size={16} /> {state.words}
        </span>
        <div class="actions">
          <Action model={model} />
          <button
            type="button"
            class={open.value ? "button ghost square turned" : "button ghost square"}
            aria-expanded={open.value}
            aria-controls={detailsId}
            aria-label={texts.detailsOf(name)}
            title={texts.more}
            onClick={() => (open.value = !open.value)}
          >
            <Icon name="chevron" />
          </button>
        </div>
      </div>
      {model.status === "loading" && model.progress ? (
        <div class="loading-line">
          <Meter
            fraction={model.progress.total_bytes ? model.progress.bytes / model.progress.total_bytes : 0}
            label={`${texts.statusLoading}: ${name}`}
          />
          <p class="muted">
            {texts.progressOf(format.bytes(model.progress.bytes), format.bytes(model.progress.total_bytes))} · {model.progress.component}
          </p>
        </div>
      ) : null}
      {model.error && model.status !== "loading" && model.status !== "loaded" ? (
        <ProblemBox title={texts.loadFailed} {...toldOf(model.error_code ?? "", model.error, model.remedy)} />
      ) : null}
      <div id={detailsId}>{open.value ? <ModelDetails model={model} /> : null}</div>
    </li>
  );
}

async function each(ids: readonly string[], run: (id: string) => Promise<unknown>): Promise<void> {
  await Promise.all(ids.map(run));
}

function Toolbar(props: { selected: Model[]; onClear: () => void }) {
  const texts = t.value;
  const { selected } = props;
  const loadable = selected.filter(canLoad).map((model) => model.id);
  const unloadable = selected.filter(canUnload).map((model) => model.id);
  const done = (): void => props.onClear();
  return (
    <div class="toolbar" role="group" aria-label={texts.selected(selected.length)}>
      <b>{texts.selected(selected.length)}</b>
      {loadable.length ? (
        <Button
          kind="primary"
          run={() => each(loadable, (id) => loadModel(id)).then(done)}
          onEnter={() => previewPlan(loadable.map(displayName).join(", "), { load: loadable })}
          onLeave={endPreview}
        >
          {texts.bulkLoad(loadable.length)}
        </Button>
      ) : null}
      {unloadable.length ? (
        <Button run={() => each(unloadable, (id) => unloadModel(id)).then(done)}>{texts.bulkUnload(unloadable.length)}</Button>
      ) : null}
      {loadable.length ? (
        <Button
          kind="danger"
          run={() =>
            each(loadable, (id) => attempt(() => call("DELETE", modelPath(id)))).then(() => {
              done();
              refreshModels();
            })
          }
        >
          {texts.bulkForget(loadable.length)}
        </Button>
      ) : null}
      <Button kind="ghost" run={props.onClear}>
        {texts.clearSelection}
      </Button>
    </div>
  );
}

async function optimize(): Promise<void> {
  const answer = await attempt(() => call<{ freed_bytes: number }>("POST", "/api/v1/memory/optimize"));
  if (!answer) return;
  tell(answer.freed_bytes > 0 ? t.value.optimized(format.bytes(answer.freed_bytes)) : t.value.optimizedNothing);
  refreshDevices();
  refreshModels();
}

async function unloadAll(): Promise<void> {
  const answer = await attempt(() => call("POST", "/api/v1/models/unload").then(() => true));
  if (answer) tell(t.value.unloadedAll);
  refreshDevices();
  refreshModels();
}

export function Models() {
  const texts = t.value;
  const adding = useSignal(false);
  const chosen = useSignal<ReadonlySet<string>>(new Set());
  const selected = useComputed(() => models.value.filter((model) => chosen.value.has(model.id)));
  const select = (id: string, on: boolean): void => {
    const next = new Set(chosen.value);
    if (on) next.add(id);
    else next.delete(id);
    chosen.value = next;
  };
  const list = models.value;
  return (
    <section class="view" aria-labelledby="models-title">
      <header class="view-header">
        <h1 id="models-title">{texts.modelsTitle}</h1>
        {list.length ? (
          <div class="actions">
            <Button kind="ghost" run={optimize}>
              {texts.optimize}
            </Button>
            <Button kind="ghost" run={unloadAll} disabled={!list.some(canUnload)}>
              {texts.unloadAll}
            </Button>
            <Button kind="primary" icon="add" run={() => (adding.value = true)}>
              {texts.addModel}
            </Button>
          </div>
        ) : null}
      </header>
      {ready.value && !list.length ? <Welcome onAdd={() => (adding.value = true)} /> : null}
      {selected.value.length ? <Toolbar selected={selected.value} onClear={() => (chosen.value = new Set())} /> : null}
      {list.length ? (
        <ul class="list" role="list">
          {list.map((model) => (
            <Row key={model.id} model={model} selected={chosen.value.has(model.id)} onSelect={(on) => select(model.id, on)} />
          ))}
        </ul>
      ) : null}
      {adding.value ? <AddDialog onClose={() => (adding.value = false)} /> : null}
    </section>
  );
}

export const curlLoad = (id: string): string => curl("POST", modelPath(id, "load"), { wait: true });
