// What would happen if that were loaded: shown in the bar while somebody thinks about it.
import { signal } from "@preact/signals";
import { asProblem, call, type Problem } from "../api/client";
import type { Plan } from "../api/types";

export interface Preview {
  name: string;
  plan?: Plan;
  problem?: Problem;
}

export const preview = signal<Preview | null>(null);
let current = 0;
let wait: ReturnType<typeof setTimeout> | undefined;

export async function askPlan(body: { load?: string[]; task?: string; device?: string }, signal?: AbortSignal): Promise<Plan> {
  return call<Plan>("POST", "/api/v1/plan", body, signal);
}

// The pointer rests a moment before the question is asked.
export function previewPlan(name: string, body: { load?: string[]; task?: string; device?: string }): void {
  const mine = ++current;
  clearTimeout(wait);
  wait = setTimeout(async () => {
    try {
      const plan = await askPlan(body);
      if (mine === current) preview.value = { name, plan };
    } catch (error) {
      if (mine === current) preview.value = { name, problem: asProblem(error) };
    }
  }, 120);
}

export function endPreview(): void {
  current++;
  clearTimeout(wait);
  preview.value = null;
}
