// Where one is: the address alone, by the browser's own Navigation API.

import { withFilter } from "./filter";

export type ViewName =
  "overview" | "workflow" | "run" | "flaky" | "runners" | "costs" | "explore" | "repositories";

const VIEWS: [ViewName, URLPattern][] = (
  [
    ["overview", "/app{/}?"],
    ["workflow", "/app/workflows/:id(\\d+)"],
    ["run", "/app/runs/:id(\\d+)"],
    ["flaky", "/app/flaky"],
    ["runners", "/app/runners"],
    ["costs", "/app/costs"],
    ["explore", "/app/explore"],
    ["repositories", "/app/repositories"],
  ] as const
).map(([name, pathname]) => [name, new URLPattern({ pathname })]);

class Router {
  url = $state.raw(new URL(location.href));

  view = $derived.by((): { name: ViewName; id: number } | undefined => {
    for (const [name, pattern] of VIEWS) {
      const found = pattern.exec({ pathname: this.url.pathname });
      if (found) return { name, id: Number(found.pathname.groups["id"] ?? 0) };
    }
    return undefined;
  });

  get search(): URLSearchParams {
    return this.url.searchParams;
  }

  begin(): () => void {
    this.#come(this.url);
    const onNavigate = (event: NavigateEvent): void => {
      const to = new URL(event.destination.url);
      if (!event.canIntercept || event.downloadRequest !== null || event.formData) return;
      // A place in the same page is the browser's own matter.
      if (event.hashChange) return;
      // Whoever loads the page again wants a new one.
      if (event.navigationType === "reload") return;
      if (!to.pathname.startsWith("/app/")) return;
      // A change of the filter leaves the reader where they are.
      const isSameView = to.pathname === this.url.pathname;
      event.intercept({
        focusReset: isSameView ? "manual" : "after-transition",
        scroll: isSameView ? "manual" : "after-transition",
        handler: async () => this.#come(to),
      });
    };
    navigation.addEventListener("navigate", onNavigate);
    return () => navigation.removeEventListener("navigate", onNavigate);
  }

  // GitHub's addresses are ours after `/app`.
  #come(to: URL): void {
    this.url = to;
    if (this.view === undefined) void this.#comeFromGitHub(to);
  }

  async #comeFromGitHub(to: URL): Promise<void> {
    const { fromGitHub } = await import("./addresses");
    const alias = fromGitHub(to.pathname.slice("/app".length));
    if (alias && this.url === to) this.go(alias, "replace");
  }

  go(address: string, history: "push" | "replace" = "push"): void {
    navigation.navigate(address, { history });
  }

  // The same view with other parameters; null takes one away.
  change(changes: Record<string, string | null>): void {
    const search = new URLSearchParams(this.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) search.delete(name);
      else search.set(name, value);
    }
    this.go(search.size ? `${this.url.pathname}?${search}` : this.url.pathname, "replace");
  }

  remove(name: string, value: string): void {
    const search = new URLSearchParams(this.search);
    search.delete(name, value);
    this.go(search.size ? `${this.url.pathname}?${search}` : this.url.pathname, "replace");
  }

  add(name: string, value: string): void {
    const search = new URLSearchParams(this.search);
    search.append(name, value);
    this.go(`${this.url.pathname}?${search}`, "replace");
  }

  // An address of another view under the filter of this one.
  to(path: string, changes: Record<string, string | null> = {}): string {
    return withFilter(path, this.search, changes);
  }
}

export const router = new Router();
