// What the numbers mean: a long list, which few look into, asked once.

import { isAt } from "../lib/addresses";
import { api, type Schemas } from "./client";

class Definitions {
  #terms = $state.raw<Schemas["Definition"][]>([]);
  #isAsked = false;

  // A name may mean something else at another route, so it is looked up for an address that was
  // asked.
  get(name: string, url: string): Schemas["Definition"] | undefined {
    if (!this.#isAsked) {
      this.#isAsked = true;
      void api.GET("/definitions").then(({ data }) => (this.#terms = data?.data ?? []));
    }
    const { pathname } = new URL(url, location.origin);
    return this.#terms.find(
      (term) => term.name === name && term.routes.some((route) => isAt(route, pathname)),
    );
  }
}

export const definitions = new Definitions();
