// What belongs to the reader and not to the question: the only things kept in local storage.

export const THEMES = ["system", "light", "dark"] as const;
export const ZONES = ["local", "UTC"] as const;

class Preferences {
  theme = $state.raw(known(localStorage.getItem("theme"), THEMES));
  zone = $state.raw(known(localStorage.getItem("zone"), ZONES));

  get timeZone(): string | undefined {
    return this.zone === "UTC" ? "UTC" : undefined;
  }

  choose(name: "theme" | "zone", value: string): void {
    if (name === "theme") this.theme = known(value, THEMES);
    else this.zone = known(value, ZONES);
    localStorage.setItem(name, value);
    this.apply();
  }

  apply(): void {
    document.documentElement.dataset["theme"] = this.theme;
  }
}

function known<T extends string>(value: string | null, values: readonly T[]): T {
  return values.find((each) => each === value) ?? (values[0] as T);
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
