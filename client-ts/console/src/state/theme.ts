/** Light or dark: the system's choice until the reader makes one. */
import { ref, watchEffect } from "vue";

type Theme = "light" | "dark";

const KEY = "lastmile-theme";

export function useTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = ref(stored());
  const systemDark = ref(system.matches);
  system.addEventListener("change", () => (systemDark.value = system.matches));

  watchEffect(() => {
    document.documentElement.style.colorScheme = chosen.value ?? "";
  });

  const current = (): Theme => chosen.value ?? (systemDark.value ? "dark" : "light");
  function toggle(): void {
    chosen.value = current() === "dark" ? "light" : "dark";
    localStorage.setItem(KEY, chosen.value);
  }
  return { current, toggle };
}

function stored(): Theme | undefined {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : undefined;
}
