// A number that the same question answers otherwise flashes once, so that one sees what moved.

import type { Attachment } from "svelte/attachments";
import type { Resource } from "../api/resource.svelte";

const WITHIN_MILLISECONDS = 300;
const FLASH_MILLISECONDS = 1500;

export function flashing(resource: Resource<unknown>): Attachment<HTMLElement> {
  return (element) => {
    const observer = new MutationObserver((changes) => {
      const age = Date.now() - (resource.answeredAt?.getTime() ?? 0);
      // The clock moves numbers, too, and so does who asks something else.
      if (!resource.isAskedAgain || age > WITHIN_MILLISECONDS) return;
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
      for (const { target } of changes) {
        if (!/\d/.test(target.nodeValue ?? "") || target.parentElement?.closest("time")) continue;
        target.parentElement?.animate(
          [{ backgroundColor: "var(--mark)" }, { backgroundColor: "transparent" }],
          { duration: FLASH_MILLISECONDS, easing: "ease-in" },
        );
      }
    });
    observer.observe(element, { characterData: true, subtree: true });
    return () => observer.disconnect();
  };
}
