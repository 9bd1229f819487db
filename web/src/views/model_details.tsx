// What a model is made of, and how long it may stay.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call, curl, get, modelPath } from "../api/client";
import type { Hold, Model } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { displayName } from "../segments";
import { models, refreshModels, tasks } from "../state/store";
import { listOf } from "../ui/bar";
import { DeviceOptions } from "../ui/device_options";
import { attempt, Button, CopyCurl, Field } from "../ui/parts";

const kForever = 1e9;
const kKeepAlive = [0, 300, 900, 1800, 3600, 4 * 3600, kForever];

async function change(model: Model, what: Record<string, unknown>): Promise<void> {
  const changed = await attempt(() => call<Model | undefined>("PATCH", modelPath(model.id), what));
  if (changed?.id) models.value = models.value.map((known) => (known.id === changed.id ? changed : known));
  refreshModels();
}

async function forget(model: Model): Promise<void> {
  if (!confirm(t.value.forgetConfirm(displayName(model.id)))) return;
  const gone = await attempt(() => call("DELETE", modelPath(model.id)).then(() => true));
  if (gone) models.value = models.value.filter((known) => known.id !== model.id);
  refreshModels();
}

function keepAliveName(seconds: number): string {
  const texts = t.value;
  if (seconds === 0) return texts.keepAliveZero;
  if (seconds >= 1e8) return texts.keepAliveForever;
  if (seconds % 3600 === 0) return texts.keepAliveHours(seconds / 3600);
  if (seconds % 60 === 0) return texts.keepAliveMinutes(seconds / 60);
  return texts.keepAliveOther(format.duration(seconds));
}

function KeepAlive({ model }: { model: Model }) {
  const id = `keep-${model.id}`;
  const value = model.keep_alive_seconds ?? null;
  const options = value === null || kKeepAlive.includes(value) ? kKeepAlive : [...kKeepAlive, value].sort((a, b) => a - b);
  return (
    <Field label={t.value.keepAlive} id={id}>
      <select
        id={id}
        value={value === null ? "" : String(value)}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          void change(model, { keep_alive_seconds: chosen === "" ? null : Number(chosen) });
        }}
      >
        <option value="">{t.value.keepAliveDefault}</option>
        {options.map((seconds) => (
          <option key={seconds} value={String(seconds)}>
            {keepAliveName(seconds)}
          </option>
        ))}
      </select>
    </Field>
  );
}

function DeviceChoice({ model }: { model: Model }) {
  const id = `device-${model.id}`;
  return (
    <Field label={t.value.onDevice} id={id}>
      <select
        id={id}
        value={model.device}
        disabled={model.status !== "unloaded" && model.status !== "error"}
        onChange={(event) => void change(model, { device: event.currentTarget.value })}
      >
        <DeviceOptions />
      </select>
    </Field>
  );
}

// Shows what was chosen until the daemon has answered: what it tells of the model meanwhile may be older.
function Switch(props: { label: string; hint: string; on: boolean; onChange: (on: boolean) => Promise<void> }) {
  const chosen = useSignal<boolean | null>(null);
  const choose = async (on: boolean): Promise<void> => {
    chosen.value = on;
    await props.onChange(on);
    chosen.value = null;
  };
  return (
    <label class="check">
      <input type="checkbox" checked={chosen.value ?? props.on} onChange={(event) => void choose(event.currentTarget.checked)} />
      <span>
        {props.label}
        <small class="muted">{props.hint}</small>
      </span>
    </label>
  );
}

function Components({ model }: { model: Model }) {
  const texts = t.value;
  if (!model.components.length) return null;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${texts.components}: ${displayName(model.id)}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{texts.component}</th>
            <th scope="col" class="number">
              {texts.size}
            </th>
            <th scope="col">{texts.shared}</th>
            <th scope="col">{texts.file}</th>
          </tr>
        </thead>
        <tbody>
          {model.components.map((one) => (
            <tr key={`${one.kind} ${one.file} ${one.variant}`}>
              <th scope="row">{one.kind}</th>
              <td class="number">{format.bytes(one.bytes)}</td>
              <td>{one.shared_with.length ? listOf(one.shared_with) : <span class="muted">{texts.notShared}</span>}</td>
              <td class="muted path" title={one.file}>
                {one.file.split("/").slice(-2).join("/")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// Who keeps it: clients' holds, and tasks.
function HeldBy({ model }: { model: Model }) {
  const texts = t.value;
  const list = useSignal<Hold[]>([]);
  useEffect(() => {
    const abort = new AbortController();
    get<{ holds: Hold[] }>("/api/v1/holds", abort.signal).then(
      (answer) => (list.value = answer.holds.filter((hold) => hold.models.includes(model.id))),
      () => undefined, // the count is shown all the same
    );
    return () => abort.abort();
  }, [model.id, model.holds]);
  const owners = [
    ...tasks.value.filter((task) => task.held.includes(model.id)).map((task) => texts.heldByTask(task.task_name)),
    ...list.value.map((hold) =>
      hold.remaining_seconds === undefined ? hold.owner : texts.heldUntil(hold.owner, format.duration(Math.round(hold.remaining_seconds))),
    ),
  ];
  if (!owners.length) return null;
  return (
    <div>
      <dt>{texts.heldBy}</dt>
      <dd class="breaks">{owners.join(", ")}</dd>
    </div>
  );
}

export function ModelDetails({ model }: { model: Model }) {
  const texts = t.value;
  const unloaded = model.status === "unloaded" || model.status === "error";
  const load = (): string => curl("POST", modelPath(model.id, unloaded ? "load" : "unload"));
  return (
    <div class="details">
      <Components model={model} />
      <div class="grid">
        <KeepAlive model={model} />
        <DeviceChoice model={model} />
        <Switch label={texts.pin} hint={texts.pinHelp} on={model.pinned} onChange={(pinned) => change(model, { pinned })} />
        <Switch
          label={texts.baseline}
          hint={texts.baselineHelp}
          on={model.baseline}
          onChange={(baseline) => change(model, { baseline })}
        />
      </div>
      <dl class="inline">
        <div>
          <dt title={texts.holdsHelp}>{texts.holds}</dt>
          <dd>{model.holds}</dd>
        </div>
        <HeldBy model={model} />
        <div>
          <dt title={texts.leasesHelp}>{texts.leases}</dt>
          <dd>{model.leases}</dd>
        </div>
        <div>
          <dt title={texts.waitingHelp}>{texts.waiting}</dt>
          <dd>{model.waiting}</dd>
        </div>
        <div>
          <dt>{texts.identifier}</dt>
          <dd class="path">{model.id}</dd>
        </div>
        {model.path ? (
          <div>
            <dt>{texts.path}</dt>
            <dd class="path">{model.path}</dd>
          </div>
        ) : null}
      </dl>
      <div class="actions">
        <CopyCurl text={load} label={displayName(model.id)} />
        {model.status === "loaded" ? (
          <Button kind="ghost" run={() => attempt(() => call("POST", modelPath(model.id, "unload"), { force: true }))}>
            {texts.unloadForce}
          </Button>
        ) : null}
        {unloaded && model.registered !== false ? (
          <Button kind="danger" icon="trash" run={() => forget(model)}>
            {texts.forget}
          </Button>
        ) : null}
      </div>
    </div>
  );
}
