// Commands and questions to the daemon.
import { signal } from "@preact/signals";
import type { ProblemBody } from "./types";

const kKeyName = "greenroom.key";

// Kept for this tab only: it goes when the tab is closed.
const key = signal(sessionStorage.getItem(kKeyName) ?? "");
export const keyNeeded = signal<"no" | "asked" | "wrong">("no");

export function useKey(value: string): void {
  key.value = value;
  sessionStorage.setItem(kKeyName, value);
  keyNeeded.value = "no";
}

export function authorization(): Record<string, string> {
  return key.value ? { Authorization: `Bearer ${key.value}` } : {};
}

// An answer that says no: RFC 9457.
export class Problem extends Error {
  readonly code: string;
  readonly remedy: string;
  constructor(
    readonly status: number,
    body: ProblemBody,
    readonly retryAfterSeconds?: number,
  ) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.code = body.code ?? (status === 0 ? "unreachable" : "");
    this.remedy = body.remedy ?? "";
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, { detail: error instanceof Error ? error.message : String(error), code: "unreachable" });
}

async function problemOf(response: Response): Promise<Problem> {
  let body: ProblemBody = {};
  try {
    body = (await response.json()) as ProblemBody;
  } catch {
    body = { title: response.statusText };
  }
  const after = Number(response.headers.get("Retry-After"));
  return new Problem(response.status, body, Number.isFinite(after) && after > 0 ? after : undefined);
}

export function noticeUnauthorized(status: number | undefined): void {
  if (status === 401) keyNeeded.value = key.value ? "wrong" : "asked";
}

export async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...authorization() };
  const init: RequestInit = { method, headers, cache: "no-store" };
  if (signal) init.signal = signal;
  if (body instanceof FormData) init.body = body;
  else if (body !== undefined || (method !== "GET" && method !== "DELETE")) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body ?? {});
  }
  const response = await fetch(path, init);
  if (!response.ok) {
    noticeUnauthorized(response.status);
    throw await problemOf(response);
  }
  return response;
}

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, signal);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => call<T>("GET", path, undefined, signal);

export const modelPath = (id: string, action = ""): string =>
  `/api/v1/models/${encodeURIComponent(id)}${action ? `/${action}` : ""}`;
export const taskPath = (name: string, action = ""): string =>
  `/api/v1/tasks/${encodeURIComponent(name)}${action ? `/${action}` : ""}`;

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

// What to type in a shell for the same. `form` is for uploads: fields, a file's as "@name".
export function curl(method: string, path: string, body?: unknown, form?: Record<string, string>): string {
  const parts = ["curl"];
  if (method !== "GET" && !form) parts.push("-X", method);
  parts.push(quote(location.origin + path));
  if (key.value) parts.push("-H", `"Authorization: Bearer $GREENROOM_API_KEY"`);
  if (form) for (const [name, value] of Object.entries(form)) parts.push("-F", quote(`${name}=${value}`));
  else if (method !== "GET" && method !== "DELETE") {
    parts.push("-H", quote("Content-Type: application/json"), "-d", quote(JSON.stringify(body ?? {})));
  }
  return parts.join(" ");
}
