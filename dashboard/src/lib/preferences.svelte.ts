// What belongs to the reader and not to the question: the only things kept in local storage.

export const THEMES = ["system", "light", "dark"] as const;
export const ZONES = ["local", "UTC"] as const;

class Preferences {
  theme = $state(read("theme", THEMES));
  zone = $state(read("zone", ZONES));

  get timeZone(): string | undefined {
    return this.zone === "UTC" ? "UTC" : undefined;
  }

  apply(): void {
    document.documentElement.dataset["theme"] = this.theme;
    localStorage.setItem("theme", this.theme);
    localStorage.setItem("zone", this.zone);
  }
}

function read<T extends string>(name: string, known: readonly T[]): T {
  const kept = localStorage.getItem(name);
  return known.find((each) => each === kept) ?? (known[0] as T);
}

export const preferences = new Preferences();

// Now, for sentences that say how long ago.
class Clock {
  now = $state.raw(new Date());

  begin(): () => void {
    const timer = setInterval(() => (this.now = new Date()), 10_000);
    return () => clearInterval(timer);
  }
}

export const clock = new Clock();
