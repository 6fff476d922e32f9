// What the keyboard does everywhere.

import { isCompared } from "../lib/filter";
import { router } from "../lib/router.svelte";

const PLACES: Record<string, string> = {
  o: "/app/",
  f: "/app/flaky",
  r: "/app/runners",
  c: "/app/costs",
  e: "/app/explore",
  m: "/app/repositories",
};

let isGoing = false;

export interface Actions {
  search: () => void;
  help: () => void;
}

export function press(event: KeyboardEvent, { search, help }: Actions): void {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
  const place = isGoing ? PLACES[event.key] : undefined;
  isGoing = event.key === "g";
  if (place) return router.go(router.to(place));
  if (event.key === "j") return move(1);
  if (event.key === "k") return move(-1);
  if (event.key === "t") return toggle("show", "table");
  if (event.key === "s") return toggle("order", "duration");
  if (event.key === "c") {
    return router.change({ compare: isCompared(router.search) ? "none" : null });
  }
  if (event.key === "?") return help();
  if (event.key === "/") {
    event.preventDefault();
    search();
  }
}

function toggle(name: string, value: string): void {
  router.change({ [name]: router.search.get(name) === value ? null : value });
}

// What opens each row of the tables, or the row itself.
function move(by: number): void {
  const rows = [
    ...document.querySelectorAll<HTMLElement>(
      "main tbody th:has(a, button), main [role=treegrid] [role=row][tabindex]",
    ),
  ].map((row) => (row.tabIndex < 0 ? (row.querySelector<HTMLElement>("a, button") ?? row) : row));
  const at = rows.findIndex((row) => row === document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}
