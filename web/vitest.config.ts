import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// The tests are in tests/web; what they import is installed here.
export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  resolve: {
    alias: {
      "playwright-core": here("node_modules/playwright-core/index.mjs"),
      "axe-core": here("node_modules/axe-core/axe.js"),
    },
  },
  server: { fs: { allow: [here("..")] } },
  test: {
    globals: true,
    pool: "threads",
    poolOptions: { threads: { maxThreads: 2, minThreads: 1 } },
    projects: [
      { extends: true, test: { name: "unit", dir: here("../tests/web/unit"), root: here("../tests/web/unit"), include: ["**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "e2e",
          dir: here("../tests/web/e2e"),
          root: here("../tests/web/e2e"),
          include: ["**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
