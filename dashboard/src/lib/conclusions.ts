// Colour, symbol and word: none of them alone says how something ended.

export type Tone = "good" | "bad" | "stopped" | "skipped" | "open";

interface Look {
  symbol: string;
  word: string;
  tone: Tone;
}

const LOOKS: Record<string, Look> = {
  success: { symbol: "✓", word: "success", tone: "good" },
  failure: { symbol: "✕", word: "failure", tone: "bad" },
  timed_out: { symbol: "⏱", word: "timed out", tone: "bad" },
  startup_failure: { symbol: "✕", word: "failed to start", tone: "bad" },
  cancelled: { symbol: "⊘", word: "cancelled", tone: "stopped" },
  skipped: { symbol: "»", word: "skipped", tone: "skipped" },
  neutral: { symbol: "·", word: "neutral", tone: "skipped" },
  stale: { symbol: "·", word: "stale", tone: "skipped" },
  action_required: { symbol: "!", word: "action required", tone: "stopped" },
};
const OPEN: Record<string, Look> = {
  in_progress: { symbol: "▸", word: "running", tone: "open" },
  completed: { symbol: "?", word: "unknown", tone: "skipped" },
};
const WAITING: Look = { symbol: "…", word: "waiting", tone: "open" };

export function lookOf(conclusion: string | null, status: string | null = "completed"): Look {
  if (conclusion) return LOOKS[conclusion] ?? { symbol: "?", word: conclusion, tone: "skipped" };
  return OPEN[status ?? ""] ?? WAITING;
}

export function isFailed(conclusion: string | null): boolean {
  return conclusion !== null && LOOKS[conclusion]?.tone === "bad";
}
