// Who looks at the page, and where they look: asked once, before anything else.

import { api, type Schemas } from "./client";

class Session {
  me = $state.raw<Schemas["Me"]>();
  installation = $state.raw<Schemas["Installation"]>();
  isKnown = $state(false);
  // Somebody was signed in here, and is not any more.
  hasEnded = $state(false);
  isServerAway = $state(false);

  async begin(): Promise<void> {
    try {
      const [me, installed] = await Promise.all([api.GET("/me"), api.GET("/installation")]);
      this.me = me.data;
      this.installation = installed.data?.data;
      this.hasEnded = false;
    } catch {
      this.isServerAway = true;
    }
    this.isKnown = true;
  }

  // An answer was a 401.
  end(): void {
    this.hasEnded = this.me !== undefined;
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
