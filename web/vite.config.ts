import { defineConfig } from "vite";

// `npm run dev` serves the sources and hands everything else to a running daemon.
const daemon = process.env.GREENROOM_URL ?? "http://127.0.0.1:7860";

export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the policy of the page allows no data: scripts, styles or fonts
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": { target: daemon, changeOrigin: true } } },
});
