// What the frame knows beside its views: the repositories, the answer that the view is about, and
// which number is being explained.

import type { Schemas } from "../api/client";
import type { Resource } from "../api/resource.svelte";

interface Understood {
  filter: unknown;
  compared?: Schemas["Compared"] | null;
}

export interface Explained {
  terms: string[];
  resource: Resource<unknown> | undefined;
}

class Frame {
  repositories = $state.raw<Resource<Schemas["RepositoryList"]>>();
  // Of the view's main question: how fresh it is, and what the API understood.
  main = $state.raw<Resource<Understood>>();
  explained = $state.raw<Explained>();
}

export const frame = new Frame();

// Call it while a view is set up.
export function isAbout(main: () => Resource<Understood>): void {
  $effect(() => {
    const resource = main();
    frame.main = resource;
    return () => {
      if (frame.main === resource) frame.main = undefined;
    };
  });
}

// The same, for the title of the window.
export function isTitled(title: () => string): void {
  $effect(() => {
    document.title = `${title()} · Actionsight`;
  });
}
