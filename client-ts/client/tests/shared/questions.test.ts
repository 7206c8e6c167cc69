// Who may answer what, and until when.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ToTab } from "../../src/shared/messages.ts";
import { createQuestions } from "../../src/shared/questions.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const tab = (): { told: ToTab[]; say(message: ToTab): void } => {
  const told: ToTab[] = [];
  return { told, say: (message) => told.push(message) };
};
const answer = (ask: number, value: string) => ({ type: "answer", ask, value }) as const;

test("no two questions have one number, and only the tab that was asked answers", async () => {
  const questions = createQuestions();
  const [one, two] = [tab(), tab()];
  const asked = [questions.ask(one, "token"), questions.ask(two, "token")];
  expect([...one.told, ...two.told]).toEqual([1, 2].map((ask) => ({ type: "ask", ask, what: "token" })));
  questions.answered(two, answer(1, "mallory"));
  questions.answered(two, answer(2, "bob"));
  questions.answered(one, answer(1, "alice"));
  expect((await Promise.all(asked)).map((each) => each?.value)).toEqual(["alice", "bob"]);
});

test("a tab that is too late has not answered", async () => {
  const questions = createQuestions();
  const one = tab();
  const asked = questions.ask(one, "token");
  await vi.advanceTimersByTimeAsync(10_100);
  questions.answered(one, answer(1, "alice"));
  expect(await asked).toBeUndefined();
  expect(vi.getTimerCount()).toBe(0);
});
