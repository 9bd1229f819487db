// What this browser remembers: theme and language.
import { signal } from "@preact/signals";

export type Theme = "system" | "dark" | "light";

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage is forbidden
  }
}

export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Then it holds for this visit.
  }
}

const stored = remembered("greenroom.theme");
export const theme = signal<Theme>(stored === "dark" || stored === "light" ? stored : "system");

export function chooseTheme(value: Theme): void {
  theme.value = value;
  remember("greenroom.theme", value === "system" ? null : value);
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
}

export const rememberedLanguage = (): string | null => remembered("greenroom.language");
