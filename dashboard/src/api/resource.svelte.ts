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
  // When it is asked again by itself, by a 429 or 503.
  retryAt = $state.raw<Date>();
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
    this.retryAt = retryAt(response);
    if (data === undefined) {
      this.problem = error;
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

// When an answer that gave nothing is to be asked for again, as it says itself.
export function retryAt({ ok, headers }: Response): Date | undefined {
  const seconds = Number(headers.get("Retry-After"));
  return ok || !seconds ? undefined : new Date(Date.now() + seconds * 1000);
}

// Ask whenever what the question is made of changes, and every so often; `undefined` is no question.
// What was answered before stays until there is more. The newest question takes back the one before.
export function ask<T>(
  question: (signal: AbortSignal) => Promise<Answered<T>> | undefined,
  everySeconds: (data: T | undefined) => number = () => EVERY_SECONDS,
): Resource<T> {
  const resource = new Resource<T>();
  $effect(() => {
    let abort = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const end = (): void => {
      abort.abort();
      clearTimeout(timer);
    };
    const run = async (): Promise<void> => {
      end();
      abort = new AbortController();
      const { signal } = abort;
      const answering = question(signal);
      if (answering === undefined) return;
      untrack(() => (resource.isLoading = true));
      try {
        const answered = await answering;
        if (!signal.aborted) resource.take(answered);
      } catch (error) {
        if (signal.aborted) return;
        resource.isLoading = false;
        if (!(error instanceof TypeError)) throw error;
        resource.isAway = true;
      } finally {
        if (!signal.aborted) wait();
      }
    };
    const wait = (): void => {
      const milliseconds = resource.retryAt
        ? resource.retryAt.getTime() - Date.now()
        : everySeconds(resource.data) * 1000;
      timer = setTimeout(
        () => (document.visibilityState === "visible" ? void run() : wait()),
        milliseconds,
      );
    };
    resource.again = () => void run();
    void run();
    return end;
  });
  return resource;
}
