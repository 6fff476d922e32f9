// What is known of the state of a default branch.

import type { Schemas } from "../api/client";
import type { Range } from "./filter";

type Known = Pick<Schemas["BranchHealth"], "red_seconds" | "green_share"> & {
  health: { since: { created_at: string } | null };
};

// Since when its state is known: from then on it is, and the API tells how much of that was red. What
// was never red has been green since a run of which it tells as well.
export function knownFrom({ red_seconds, green_share, health }: Known, { from, to }: Range): Date {
  if (green_share === null) return to;
  if (red_seconds) {
    const known = (red_seconds / (1 - green_share)) * 1000;
    const length = to.getTime() - from.getTime();
    // What is observed ends a moment before now.
    return known > 0.99 * length ? from : new Date(to.getTime() - known);
  }
  const since = new Date(health.since?.created_at ?? from);
  return since > from && since < to ? since : from;
}
