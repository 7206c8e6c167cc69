import { expect, test } from "vitest";
import { countdown, timeOfDay, when } from "./words.ts";

test.each([
  [-5, "0:00"],
  [59_600, "1:00"],
  [895_000, "14:55"],
  [7_500_000, "2 h 5 min"],
])("%i ms are %s", (ms, text) => expect(countdown(ms)).toBe(text));

test("a time that is missing is no time", () => expect([timeOfDay(undefined), when(undefined)]).toEqual(["--:--:--", ""]));
