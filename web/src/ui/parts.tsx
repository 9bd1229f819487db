// Small parts that several views use.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { asProblem, type Problem } from "../api/client";
import { language, t } from "../i18n";
import { firstSentenceZh } from "../i18n/advice";
import { Icon, type IconName } from "./icon";

export interface Notice {
  id: number;
  kind: "good" | "bad";
  text: string;
  detail?: string;
  remedy?: string;
}

export const notices = signal<Notice[]>([]);
let nextNotice = 1;

export function tell(text: string, kind: "good" | "bad" = "good", more: Omit<Told, "text"> = {}): void {
  const id = nextNotice++;
  notices.value = [...notices.value.slice(-3), { id, kind, text, ...more }];
  if (kind === "good") setTimeout(() => dismiss(id), 6000);
}

export const dismiss = (id: number): void => {
  notices.value = notices.value.filter((notice) => notice.id !== id);
};

// An error as it is shown: a sentence in the reader's language; the daemon's own words beneath it where they are
// of another language.
export interface Told {
  text: string;
  detail?: string;
  remedy?: string;
}

export function toldOf(code: string, message: string, remedy = ""): Told {
  const title = t.value.code[code];
  if (language.value === "zh") return { text: firstSentenceZh(code, title), detail: message };
  return { text: title ? `${title}: ${message}` : message, ...(remedy ? { remedy } : {}) };
}

export function told(problem: Problem): Told {
  return problem.status === 0 ? { text: t.value.errorUnreachable } : toldOf(problem.code, problem.message, problem.remedy);
}

export function tellProblem(error: unknown): void {
  const problem = asProblem(error);
  if (problem.status === 401) return; // the page asks for a key
  const { text, ...more } = told(problem);
  tell(text, "bad", more);
}

// Runs something that may be refused, and says so where everybody sees it.
export async function attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    tellProblem(error);
    return undefined;
  }
}

export function Notices() {
  return (
    <div class="notices" aria-live="polite" role="status">
      {notices.value.map((notice) => (
        <div key={notice.id} class={`notice ${notice.kind}`}>
          <Icon name={notice.kind === "good" ? "check" : "error"} />
          <div>
            <p>{notice.text}</p>
            <Detail text={notice.detail} />
            {notice.remedy && !notice.text.includes(notice.remedy) ? (
              <p class="muted">
                {t.value.remedy} {notice.remedy}
              </p>
            ) : null}
          </div>
          <button type="button" class="ghost square" aria-label={t.value.dismiss} onClick={() => dismiss(notice.id)}>
            <Icon name="close" size={16} />
          </button>
        </div>
      ))}
    </div>
  );
}

interface ButtonProps {
  children?: ComponentChildren;
  icon?: IconName;
  kind?: "primary" | "plain" | "ghost" | "danger";
  label?: string;
  title?: string;
  disabled?: boolean;
  pressed?: boolean;
  // While it runs, the button waits.
  run?: () => unknown;
  onEnter?: () => void;
  onLeave?: () => void;
  submit?: boolean;
}

export function Button(props: ButtonProps) {
  const [busy, setBusy] = useState(false);
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  const click = async (): Promise<void> => {
    if (!props.run || busy) return;
    setBusy(true);
    try {
      await props.run();
    } finally {
      if (alive.current) setBusy(false);
    }
  };
  return (
    <button
      type={props.submit ? "submit" : "button"}
      class={`button ${props.kind ?? "plain"}${props.children === undefined ? " square" : ""}`}
      aria-label={props.label}
      title={props.title ?? (props.children === undefined ? props.label : undefined)}
      aria-pressed={props.pressed}
      aria-busy={busy || undefined}
      disabled={props.disabled}
      onClick={props.run ? click : undefined}
      onMouseEnter={props.onEnter}
      onFocus={props.onEnter}
      onMouseLeave={props.onLeave}
      onBlur={props.onLeave}
    >
      {props.icon ? <Icon name={props.icon} /> : null}
      {props.children === undefined ? null : <span>{props.children}</span>}
    </button>
  );
}

export function CopyCurl({ text, label }: { text: () => string; label?: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text());
      setCopied(true);
      setTimeout(() => setCopied(false), 2000);
    } catch {
      tell(`${t.value.copyFailed} ${text()}`);
    }
  };
  return (
    <Button kind="ghost" icon={copied ? "check" : "copy"} run={copy} label={label && !copied ? `${label}: ${t.value.copyCurl}` : undefined}>
      {copied ? t.value.copied : t.value.copyCurl}
    </Button>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
  locked?: boolean; // has to be answered
}

export function Dialog({ title, onClose, children, wide, locked }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return undefined;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={wide ? "wide" : undefined}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!locked) onClose();
      }}
      onClick={(event) => {
        if (event.target === element.current && !locked) onClose();
      }}
    >
      <div class="dialog">
        <header>
          <h2 id="dialog-title">{title}</h2>
          {locked ? null : <Button kind="ghost" icon="close" label={t.value.close} run={onClose} />}
        </header>
        {children}
      </div>
    </dialog>
  );
}

// The daemon's own words.
function Detail({ text }: { text: string | undefined }) {
  return text ? (
    <p lang="en" class="muted small breaks">
      {text}
    </p>
  ) : null;
}

export function ProblemBox({ title, text, detail, remedy, children }: Told & { title?: string; children?: ComponentChildren }) {
  return (
    <div class="problem" role="alert">
      <Icon name="error" />
      <div>
        {title ? <strong>{title}</strong> : null}
        <p class="breaks">{text}</p>
        <Detail text={detail} />
        {remedy && !text.includes(remedy) ? (
          <p>
            <strong>{t.value.remedy}</strong> {remedy}
          </p>
        ) : null}
        {children}
      </div>
    </div>
  );
}

export function Meter({ fraction, label }: { fraction: number; label: string }) {
  const shown = Math.round(Math.max(0, Math.min(1, fraction)) * 100);
  return (
    <div class="meter" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={shown}>
      <i style={{ width: `${shown}%` }} />
    </div>
  );
}

// One of a few, as buttons side by side.
export function Choice<T extends string>(props: {
  label: string;
  value: T;
  options: readonly { value: T; text: string; icon?: IconName }[];
  onChange: (value: T) => void;
  iconsOnly?: boolean;
}) {
  return (
    <div class="choice" role="group" aria-label={props.label}>
      {props.options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === props.value}
          aria-label={props.iconsOnly ? option.text : undefined}
          title={props.iconsOnly ? option.text : undefined}
          onClick={() => props.onChange(option.value)}
        >
          {option.icon ? <Icon name={option.icon} size={16} /> : null}
          {props.iconsOnly ? null : option.text}
        </button>
      ))}
    </div>
  );
}

export function Field(props: { label: string; hint?: string; children: ComponentChildren; id: string }) {
  return (
    <div class="field">
      <label for={props.id}>{props.label}</label>
      {props.children}
      {props.hint ? <small class="muted">{props.hint}</small> : null}
    </div>
  );
}
