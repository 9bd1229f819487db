// Which view is open: in the address, so that it can be kept and shared.
import { signal } from "@preact/signals";

export const kViews = ["models", "gpu", "try", "tasks", "automation", "activity"] as const;
export type View = (typeof kViews)[number];

function read(): View {
  const name = location.hash.replace(/^#\/?/, "").split("?")[0];
  return kViews.find((view) => view === name) ?? "models";
}

export const view = signal<View>(read());
addEventListener("hashchange", () => {
  view.value = read();
});
