// Adding a model: by its path, or by looking for it below the folders greenroom may look into.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { asProblem, call, curl, get, type Problem } from "../api/client";
import type { Browse, BrowseEntry, Model, Plan } from "../api/types";
import * as format from "../format";
import { t } from "../i18n";
import { displayName } from "../segments";
import { askPlan } from "../state/plan";
import { models, refreshModels } from "../state/store";
import { planSentence } from "../ui/bar";
import { Icon } from "../ui/icon";
import { Button, CopyCurl, Dialog, Field, ProblemBox, told } from "../ui/parts";
import { loadModel, typeName } from "./models";

// A model is chosen; a folder is opened; a folder that holds a model is chosen, or opened by the button beside it.
function Entry(props: { entry: BrowseEntry; chosen: boolean; onOpen: (path: string) => void; onChoose: (path: string) => void }) {
  const { entry } = props;
  const texts = t.value;
  const isModel = entry.kind === "model" || entry.type !== undefined;
  return (
    <li class="row">
      <button
        type="button"
        class={props.chosen ? "entry chosen grow" : "entry grow"}
        aria-pressed={isModel ? props.chosen : undefined}
        onClick={() => (isModel ? props.onChoose(entry.path) : props.onOpen(entry.path))}
      >
        <Icon name={isModel ? "models" : "folder"} />
        <span class="grow">{entry.name}</span>
        {isModel ? (
          <small class="muted">
            {entry.type ? typeName(entry.type) : ""} {entry.bytes ? format.bytes(entry.bytes) : ""}
            {entry.registered_as ? ` · ${texts.addKnown}` : ""}
            {entry.problem ? ` · ${entry.problem}` : ""}
          </small>
        ) : null}
      </button>
      {isModel && entry.kind === "folder" ? (
        <Button kind="ghost" icon="folder" label={texts.addOpenFolder(entry.name)} run={() => props.onOpen(entry.path)} />
      ) : null}
    </li>
  );
}

function Browser(props: { chosen: string; onChoose: (path: string) => void }) {
  const folder = useSignal("");
  const seen = useSignal<Browse | null>(null);
  const problem = useSignal<Problem | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    get<Browse>(`/api/v1/models/browse?path=${encodeURIComponent(folder.value)}`, abort.signal).then(
      (answer) => {
        seen.value = answer;
        problem.value = null;
      },
      (error: unknown) => {
        if (!abort.signal.aborted) problem.value = asProblem(error);
      },
    );
    return () => abort.abort();
  }, [folder.value]);
  const texts = t.value;
  const now = seen.value;
  const atRoots = !now?.path;
  const rootEntries: BrowseEntry[] = (now?.roots ?? []).map((root) => ({ name: root, path: root, kind: "folder" }));
  const entries = atRoots && !now?.entries.length ? rootEntries : (now?.entries ?? []);
  return (
    <fieldset class="browser">
      <legend>{texts.addBrowse}</legend>
      {problem.value ? <ProblemBox {...told(problem.value)} /> : null}
      <div class="row">
        <Button kind="ghost" icon="up" label={texts.addUp} disabled={atRoots} run={() => (folder.value = now?.parent ?? "")} />
        <span class="path muted grow">{atRoots ? texts.addRoots : now.path}</span>
      </div>
      {now && !now.roots.length ? <p class="muted">{texts.addNoRoots}</p> : null}
      {now?.roots.length && !entries.length ? <p class="muted">{texts.addEmpty}</p> : null}
      <ul class="entries" role="list">
        {entries.map((entry) => (
          <Entry
            key={entry.path}
            entry={entry}
            chosen={props.chosen === entry.path}
            onOpen={(path) => (folder.value = path)}
            onChoose={props.onChoose}
          />
        ))}
      </ul>
    </fieldset>
  );
}

// What it would take, while the path is being typed. What is wrong with the path is said when it is added.
function Forecast({ path }: { path: string }) {
  const plan = useSignal<Plan | null>(null);
  useEffect(() => {
    plan.value = null;
    if (!path) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      askPlan({ load: [path] }, abort.signal).then(
        (answer) => (plan.value = answer),
        () => undefined,
      );
    }, 300);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [path]);
  return (
    <p class={plan.value?.fits === false ? "inspector bad" : "inspector plan"} role="status">
      {plan.value ? (
        <>
          <Icon name={plan.value.fits ? "bolt" : "warning"} />
          <span>{planSentence(displayName(path), plan.value)}</span>
        </>
      ) : null}
    </p>
  );
}

export function AddDialog({ onClose }: { onClose: () => void }) {
  const texts = t.value;
  const path = useSignal("");
  const name = useSignal("");
  const problem = useSignal<Problem | null>(null);
  const body = (): Record<string, unknown> => ({ path: path.value, ...(name.value ? { id: name.value } : {}) });
  const add = async (andLoad: boolean): Promise<void> => {
    if (!path.value) return;
    try {
      const model = await call<Model>("POST", "/api/v1/models", body());
      models.value = [...models.value.filter((known) => known.id !== model.id), model];
      refreshModels();
      onClose();
      if (andLoad) await loadModel(model.id);
    } catch (error) {
      problem.value = asProblem(error);
    }
  };
  return (
    <Dialog title={texts.addTitle} onClose={onClose} wide>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void add(true);
        }}
      >
        <div class="grid">
          <Field label={texts.addPath} hint={texts.addPathHint} id="add-path">
            <input
              id="add-path"
              value={path.value}
              onInput={(event) => (path.value = event.currentTarget.value)}
              spellcheck={false}
              autocomplete="off"
              required
            />
          </Field>
          <Field label={texts.addAs} id="add-name">
            <input id="add-name" value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} autocomplete="off" />
          </Field>
        </div>
        <Browser chosen={path.value} onChoose={(chosen) => (path.value = chosen)} />
        <Forecast path={path.value} />
        {problem.value ? <ProblemBox {...told(problem.value)} /> : null}
        <footer>
          <CopyCurl text={() => curl("POST", "/api/v1/models", body())} />
          <span class="grow" />
          <Button run={() => add(false)} disabled={!path.value}>
            {texts.addOnly}
          </Button>
          <Button kind="primary" submit disabled={!path.value}>
            {texts.addAndLoad}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
