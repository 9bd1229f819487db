import { computed, signal } from "@preact/signals";
import { remember, rememberedLanguage } from "../state/preferences";
import { type Dictionary, en } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh";
export const dictionaries: Record<Language, Dictionary> = { en, zh };

// What was chosen here before, else the first of the browser's languages that we have.
export function pickLanguage(chosen: string | null, offered: readonly string[]): Language {
  if (chosen === "en" || chosen === "zh") return chosen;
  for (const tag of offered) {
    const primary = tag.toLowerCase().split("-")[0];
    if (primary === "zh" || primary === "en") return primary;
  }
  return "en";
}

export const language = signal<Language>(
  pickLanguage(rememberedLanguage(), typeof navigator === "undefined" ? [] : navigator.languages),
);
export const t = computed<Dictionary>(() => dictionaries[language.value]);

export function chooseLanguage(value: Language): void {
  language.value = value;
  remember("greenroom.language", value);
}
