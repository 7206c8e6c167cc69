/** Light or dark: the system's choice until the reader makes one. */
import { computed, ref, watchEffect } from "vue";

type Theme = "light" | "dark";

const KEY = "lastmile-theme";

const system = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = ref(system.matches);
const chosen = ref(stored());
system.addEventListener("change", () => (isSystemDark.value = system.matches));

export const theme = computed<Theme>(() => chosen.value ?? (isSystemDark.value ? "dark" : "light"));

watchEffect(() => {
  document.documentElement.style.colorScheme = chosen.value ?? "";
});

export function toggleTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, chosen.value);
}

function stored(): Theme | undefined {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : undefined;
}
