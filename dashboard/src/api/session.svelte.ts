// Who looks at the page, and where they look: asked once, before anything else.

import { api, type Problem, type Schemas } from "./client";
import { retryAt } from "./resource.svelte";

const AGAIN_MILLISECONDS = 10_000;

class Session {
  me = $state.raw<Schemas["Me"]>();
  installation = $state.raw<Schemas["Installation"]>();
  isKnown = $state(false);
  // Somebody was signed in here, and is not any more.
  hasEnded = $state(false);
  isServerAway = $state(false);
  // Why nobody can tell yet who looks, and when it is asked again.
  problem = $state.raw<Problem>();
  retryAt = $state.raw<Date>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  async begin(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const [me, installed] = await Promise.all([api.GET("/me"), api.GET("/installation")]);
      const failed = [me, installed].find(({ error }) => error && error.status !== 401);
      this.problem = failed?.error;
      if (failed) return this.#beginAgain(failed.response);
      this.me = me.data;
      this.installation = installed.data?.data;
      this.hasEnded = false;
    } catch {
      this.isServerAway = true;
    }
    this.isKnown = true;
  }

  #beginAgain(response: Response): void {
    this.retryAt = retryAt(response) ?? new Date(Date.now() + AGAIN_MILLISECONDS);
    this.#timer = setTimeout(() => void this.begin(), this.retryAt.getTime() - Date.now());
  }

  // An answer was a 401, as all are that were asked for beside it.
  end(): void {
    if (!this.me) return;
    this.hasEnded = true;
    this.me = undefined;
  }

  get header(): { "X-CSRF-Token": string } {
    return { "X-CSRF-Token": this.me?.csrf_token ?? "" };
  }

  async signOut(): Promise<void> {
    await api.POST("/logout", { params: { header: this.header } });
    this.me = undefined;
  }
}

export const session = new Session();
