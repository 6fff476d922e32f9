// One question: what it gave, what went wrong, and asked again while somebody looks.

import { untrack } from "svelte";
import type { Answered, Problem } from "./client";
import { session } from "./session.svelte";

const EVERY_SECONDS = 60;

export class Resource<T> {
  data = $state.raw<T>();
  problem = $state.raw<Problem>();
  isAway = $state(false);
  isLoading = $state(true);
  // How long to wait, by a 429 or 503.
  retryAfterSeconds = $state<number>();
  asOf = $state<string>();
  newestAt = $state<string>();
  answeredAt = $state<Date>();
  // The address that was asked, which is also the one for scripts.
  url = $state<string>();
  // Whether the last answer was to the same question as the one before.
  isAskedAgain = false;
  again: () => void = () => {};
  #tag: string | null = null;

  take({ data, error, response }: Answered<T>): void {
    this.isLoading = false;
    this.isAway = false;
    this.isAskedAgain = this.data !== undefined && this.url === response.url;
    this.url = response.url;
    if (response.status === 401) return session.end();
    if (data === undefined) {
      this.problem = error;
      this.retryAfterSeconds = Number(response.headers.get("Retry-After")) || undefined;
      return;
    }
    const tag = response.headers.get("ETag");
    const isSame = this.isAskedAgain && !this.problem && tag !== null && tag === this.#tag;
    this.#tag = tag;
    this.problem = undefined;
    // The same answer redraws nothing: a chart would take the focus from who is in it.
    if (!isSame) this.data = data;
    this.answeredAt = new Date();
    this.asOf = response.headers.get("Actionsight-As-Of") ?? undefined;
    this.newestAt = response.headers.get("Actionsight-Newest-Observation-At") ?? undefined;
  }
}

// Ask whenever what the question is made of changes, and every so often; `undefined` is no question.
// What was answered before stays until there is more.
export function ask<T>(
  question: (signal: AbortSignal) => Promise<Answered<T>> | undefined,
  everySeconds: (data: T | undefined) => number = () => EVERY_SECONDS,
): Resource<T> {
  const resource = new Resource<T>();
  $effect(() => {
    const abort = new AbortController();
    const run = async (): Promise<void> => {
      const answering = question(abort.signal);
      if (answering === undefined) return;
      untrack(() => (resource.isLoading = true));
      try {
        const answered = await answering;
        if (!abort.signal.aborted) resource.take(answered);
      } catch (error) {
        if (abort.signal.aborted) return;
        resource.isLoading = false;
        if (!(error instanceof TypeError)) throw error;
        resource.isAway = true;
      }
    };
    resource.again = () => void run();
    void run();
    let timer: ReturnType<typeof setTimeout>;
    const wait = (): void => {
      timer = setTimeout(
        () => {
          if (document.visibilityState === "visible") void run();
          wait();
        },
        untrack(() => everySeconds(resource.data)) * 1000,
      );
    };
    wait();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  });
  return resource;
}
