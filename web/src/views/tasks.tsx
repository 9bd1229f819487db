// Tasks: kinds of work and the models they need, got ready together.
import { useSignal } from "@preact/signals";
import { asProblem, call, curl, type Problem, taskPath } from "../api/client";
import type { Plan, Preloaded, Task, TaskModel } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { displayName } from "../segments";
import { askPlan, endPreview, previewPlan } from "../state/plan";
import { models, refreshDevices, refreshModels, refreshTasks, tasks } from "../state/store";
import { deviceName, planSentence } from "../ui/bar";
import { DeviceOptions } from "../ui/device_options";
import { Icon } from "../ui/icon";
import { attempt, Button, CopyCurl, Dialog, Field, ProblemBox, told, tell } from "../ui/parts";

const emptyTask = (): Task => ({
  task_name: "",
  required_models: [],
  optional_models: [],
  memory_limit_mb: 0,
  auto_cleanup: true,
  preloading: false,
  held: [],
});

function changed(): void {
  refreshTasks();
  refreshModels();
  refreshDevices();
}

function ModelsOf({ title, list }: { title: string; list: readonly TaskModel[] }) {
  if (!list.length) return null;
  return (
    <div>
      <dt>{title}</dt>
      <dd class="chips">
        {list.map((one) => (
          <span key={one.model_path} class="tag big" title={one.model_path}>
            {displayName(one.model_path)}
            {one.device && one.device !== "auto" ? ` · ${deviceName(one.device)}` : ""}
            {one.priority ? ` · ${t.value.taskPriority} ${one.priority}` : ""}
          </span>
        ))}
      </dd>
    </div>
  );
}

function DryRun({ name, plan }: { name: string; plan: Plan }) {
  const texts = t.value;
  return (
    <div class={plan.fits ? "dry-run" : "dry-run bad"}>
      <p>
        <Icon name={plan.fits ? "bolt" : "warning"} /> {planSentence(name, plan)}
      </p>
      <ul class="feed" role="list">
        {plan.parts.map((part) => (
          <li key={part.component}>
            <span class="muted">{part.source === "resident" ? texts.dryRunHere : texts.dryRunLoads}</span>
            <b class="breaks">{part.component}</b>
            <span class="muted">{format.bytes(part.bytes)}</span>
          </li>
        ))}
        {plan.evict.map((victim) => (
          <li key={victim.component}>
            <span class="state bad">{texts.dryRunEvicts}</span>
            <b class="breaks">{victim.component}</b>
            <span class="muted">
              {format.bytes(victim.bytes)} · {victim.reason}
            </span>
          </li>
        ))}
      </ul>
      {plan.problem ? <p class="breaks">{plan.problem}</p> : null}
    </div>
  );
}

function TaskCard({ task, onEdit }: { task: Task; onEdit: () => void }) {
  const texts = t.value;
  const plan = useSignal<Plan | null>(null);
  const problem = useSignal<Problem | null>(null);
  const skipped = useSignal<Preloaded["skipped"]>([]);
  const name = task.task_name;
  const isEmpty = !task.required_models.length && !task.optional_models.length;
  const held = task.held.length > 0;

  const tried = async <T,>(run: () => Promise<T>): Promise<T | undefined> => {
    problem.value = null;
    try {
      return await run();
    } catch (error) {
      problem.value = asProblem(error);
      return undefined;
    } finally {
      changed();
    }
  };
  const preload = async (): Promise<void> => {
    endPreview();
    plan.value = null;
    const answer = await tried(() => call<Preloaded>("POST", taskPath(name, "preload")));
    if (!answer) return;
    skipped.value = answer.skipped;
    tell(`${name}: ${texts.taskPreloaded(answer.required.length + answer.optional.length, format.bytes(answer.bytes))}`);
  };
  const cleanup = async (): Promise<void> => {
    const answer = await tried(() => call<{ released: string[] }>("POST", taskPath(name, "cleanup")));
    skipped.value = [];
    if (answer) tell(`${name}: ${texts.taskCleaned(answer.released.length)}`);
  };
  const dryRun = async (): Promise<void> => {
    plan.value = plan.value ? null : ((await tried(() => askPlan({ task: name }))) ?? null);
  };
  const remove = async (): Promise<void> => {
    if (!confirm(texts.deleteTaskConfirm(name))) return;
    await attempt(() => call("DELETE", taskPath(name)));
    changed();
  };
  return (
    <li class="card task">
      <div class="row wrap">
        <div class="grow">
          <h2 class="name breaks">{name}</h2>
          <span class={`state ${task.preloading ? "busy" : held ? "good" : "calm"}`}>
            <Icon name={task.preloading ? "download" : held ? "check" : "clock"} size={16} />
            {task.preloading ? texts.taskPreloading : held ? texts.taskHeld(task.held.length) : texts.taskNotHeld}
          </span>
        </div>
        <div class="actions">
          <Button
            kind="primary"
            run={preload}
            disabled={isEmpty}
            label={`${held ? texts.preloadAgain : texts.preload}: ${name}`}
            onEnter={() => !isEmpty && previewPlan(name, { task: name })}
            onLeave={endPreview}
          >
            {held ? texts.preloadAgain : texts.preload}
          </Button>
          <Button run={dryRun} disabled={isEmpty} label={`${texts.dryRun}: ${name}`}>
            {texts.dryRun}
          </Button>
          {held ? (
            <Button run={cleanup} label={`${texts.cleanup}: ${name}`}>
              {texts.cleanup}
            </Button>
          ) : null}
          <Button kind="ghost" icon="edit" label={`${texts.editTask}: ${name}`} run={onEdit} />
          <Button kind="ghost" icon="trash" label={`${texts.deleteTask}: ${name}`} run={remove} />
        </div>
      </div>
      {isEmpty ? <p class="muted">{texts.taskEmpty}</p> : null}
      <dl class="inline">
        <ModelsOf title={texts.taskRequired} list={task.required_models} />
        <ModelsOf title={texts.taskOptional} list={task.optional_models} />
        <div>
          <dt>{texts.taskLimit}</dt>
          <dd>{task.memory_limit_mb > 0 ? format.bytes(task.memory_limit_mb * 2 ** 20) : texts.taskLimitNone}</dd>
        </div>
        <div>
          <dt>{texts.taskAutoCleanup}</dt>
          <dd>{task.auto_cleanup ? texts.settingOn : texts.settingOff}</dd>
        </div>
      </dl>
      {plan.value ? <DryRun name={name} plan={plan.value} /> : null}
      {skipped.value.length ? (
        <p class="muted breaks">
          {texts.taskSkipped} {skipped.value.map((one) => `${displayName(one.model_path)} (${one.reason})`).join("; ")}
        </p>
      ) : null}
      {problem.value ? <ProblemBox {...told(problem.value)} /> : null}
      <div class="actions">
        <CopyCurl text={() => curl("POST", taskPath(name, "preload"))} label={name} />
      </div>
    </li>
  );
}

function ModelList(props: { id: string; title: string; list: TaskModel[]; priorities: boolean; onChange: (list: TaskModel[]) => void }) {
  const texts = t.value;
  const { list, onChange } = props;
  const set = (index: number, what: Partial<TaskModel>): void => onChange(list.map((one, at) => (at === index ? { ...one, ...what } : one)));
  return (
    <fieldset>
      <legend>{props.title}</legend>
      {list.map((one, index) => (
        <div class="task-model" key={index}>
          <input
            list="task-known"
            aria-label={texts.taskModelPath}
            placeholder={texts.taskModelPath}
            value={one.model_path}
            required
            onInput={(event) => set(index, { model_path: event.currentTarget.value })}
          />
          <select aria-label={texts.onDevice} value={one.device ?? "auto"} onChange={(event) => set(index, { device: event.currentTarget.value })}>
            <DeviceOptions />
          </select>
          {props.priorities ? (
            <input
              type="number"
              aria-label={texts.taskPriority}
              title={texts.taskPriority}
              value={one.priority ?? 0}
              onInput={(event) => set(index, { priority: Number(event.currentTarget.value) })}
            />
          ) : null}
          <Button kind="ghost" icon="close" label={texts.taskRemoveModel(displayName(one.model_path))} run={() => onChange(list.filter((_, at) => at !== index))} />
        </div>
      ))}
      <Button icon="add" run={() => onChange([...list, { model_path: "", device: "auto", priority: 0 }])} label={`${props.title}: ${texts.taskAddModel}`}>
        {texts.taskAddModel}
      </Button>
    </fieldset>
  );
}

function EditDialog({ task, onClose }: { task: Task; onClose: () => void }) {
  const texts = t.value;
  const isNew = task.task_name === "";
  const name = useSignal(task.task_name);
  const required = useSignal(task.required_models);
  const optional = useSignal(task.optional_models);
  const limit = useSignal(task.memory_limit_mb);
  const auto = useSignal(task.auto_cleanup);
  const problem = useSignal<Problem | null>(null);
  const body = (): Partial<Task> => ({
    task_name: name.value,
    required_models: required.value,
    optional_models: optional.value,
    memory_limit_mb: limit.value,
    auto_cleanup: auto.value,
  });
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await call("PUT", taskPath(name.value), body());
      changed();
      onClose();
    } catch (error) {
      problem.value = asProblem(error);
    }
  };
  return (
    <Dialog title={isNew ? texts.newTask : texts.editTaskTitle(task.task_name)} onClose={onClose} wide>
      <form onSubmit={save}>
        <datalist id="task-known">
          {models.value.map((model) => (
            <option key={model.id} value={model.path ?? model.id}>
              {displayName(model.id)}
            </option>
          ))}
        </datalist>
        {isNew ? (
          <Field label={texts.taskName} id="task-name">
            <input id="task-name" value={name.value} required autocomplete="off" onInput={(event) => (name.value = event.currentTarget.value)} />
          </Field>
        ) : null}
        <ModelList id="required" title={texts.taskRequired} list={required.value} priorities={false} onChange={(list) => (required.value = list)} />
        <ModelList id="optional" title={texts.taskOptional} list={optional.value} priorities onChange={(list) => (optional.value = list)} />
        <div class="grid">
          <Field label={texts.taskLimit} hint={texts.taskLimitUnit} id="task-limit">
            <input
              id="task-limit"
              type="number"
              min={0}
              value={limit.value}
              onInput={(event) => (limit.value = Math.max(0, Math.round(Number(event.currentTarget.value))))}
            />
          </Field>
          <label class="check">
            <input type="checkbox" checked={auto.value} onChange={(event) => (auto.value = event.currentTarget.checked)} />
            <span>{texts.taskAutoCleanup}</span>
          </label>
        </div>
        {problem.value ? <ProblemBox {...told(problem.value)} /> : null}
        <footer>
          <CopyCurl text={() => curl("PUT", taskPath(name.value), body())} />
          <span class="grow" />
          <Button run={onClose}>{texts.cancel}</Button>
          <Button kind="primary" submit>
            {texts.save}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}

export function Tasks() {
  const texts = t.value;
  const editing = useSignal<Task | null>(null);
  return (
    <section class="view" aria-labelledby="tasks-title">
      <header class="view-header">
        <h1 id="tasks-title">{texts.tasksTitle}</h1>
        <Button kind="primary" icon="add" run={() => (editing.value = emptyTask())}>
          {texts.newTask}
        </Button>
        <p>{texts.tasksText}</p>
      </header>
      {tasks.value.length ? (
        <ul class="list" role="list">
          {tasks.value.map((task) => (
            <TaskCard key={task.task_name} task={task} onEdit={() => (editing.value = task)} />
          ))}
        </ul>
      ) : (
        <p class="muted">{texts.tasksNone}</p>
      )}
      {editing.value ? <EditDialog key={editing.value.task_name} task={editing.value} onClose={() => (editing.value = null)} /> : null}
    </section>
  );
}
