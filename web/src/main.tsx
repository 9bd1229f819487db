import "./styles/base.css";
import "./styles/bar.css";
import "./styles/views.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app";
import { language } from "./i18n";
import { startStore } from "./state/store";

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
});
startStore();
const root = document.getElementById("app");
if (root) render(<App />, root);
