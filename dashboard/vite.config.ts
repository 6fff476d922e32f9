import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const API = "http://127.0.0.1:8000";
export default defineConfig({
  base: "/app/",
  plugins: [svelte()],
  build: {
    outDir: process.env["DASHBOARD_OUT"] ?? "dist",
    emptyOutDir: true,
    target: "es2022",
    // The themes are light-dark(), as the style sheet has it.
    cssTarget: ["chrome124", "firefox125", "safari17.5"],
    // An inline file would need a laxer policy.
    assetsInlineLimit: 0,
    // One style sheet: a list of which comes with which would weigh more than it spares.
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    // What the frame needs comes as one file, which compresses better than many.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "page", test: /\/src\/App\.svelte$/ }] } },
    },
  },
  server: {
    // The API answers under this name alone, and cookies do not know ports.
    host: "127.0.0.1",
    proxy: { "^/(?!app/)": API },
  },
});
