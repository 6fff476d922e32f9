import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const API = "http://127.0.0.1:8000";

// Nothing is hydrated here. Svelte guards what that takes by one variable, so that a bundler leaves it
// out; this one does so once it is told that the variable never changes.
const withoutHydration: Plugin = {
  name: "without-hydration",
  transform: {
    filter: { id: /\/svelte\/src\/internal\/client\/dom\/hydration\.js$/ },
    handler: (code) =>
      code
        .replace("export let hydrating = false;", "export const hydrating = false;")
        .replace("hydrating = value;", ""),
  },
};

// Compressed once, as well as it goes, in place of at each start of the API.
const compressed: Plugin = {
  name: "compressed",
  writeBundle({ dir = "" }, bundle) {
    for (const name of Object.keys(bundle).filter((each) => each.startsWith("assets/"))) {
      const content = readFileSync(join(dir, name));
      writeFileSync(join(dir, `${name}.br`), brotliCompressSync(content));
      writeFileSync(join(dir, `${name}.gz`), gzipSync(content, { level: 9 }));
    }
  },
};

export default defineConfig({
  base: "/app/",
  plugins: [svelte(), withoutHydration, compressed],
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
    rolldownOptions: {
      checks: { pluginTimings: false },
      // Few files, which compress better than many: what the frame needs, and what views share. Charts
      // stay out of both: Plot is larger than all else.
      output: {
        codeSplitting: {
          groups: [
            { name: "page", test: /\/src\/App\.svelte$/ },
            {
              name: "parts",
              test: /\/src\/(parts|lib)\/(?!Chart)/,
              minShareCount: 2,
              includeDependenciesRecursively: false,
            },
          ],
        },
      },
    },
  },
  server: {
    // The API answers under this name alone, and cookies do not know ports.
    host: "127.0.0.1",
    proxy: { "^/(?!app/)": API },
  },
});
