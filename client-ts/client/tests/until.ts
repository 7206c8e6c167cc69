import { vi } from "vitest";

/** Waits until the expectation holds; how long a busy machine takes for that does not matter. */
export function until(expectation: () => unknown): Promise<void> {
  return vi.waitFor(() => void expectation(), { timeout: 30_000, interval: 5 });
}
