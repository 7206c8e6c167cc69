import { expect, test } from "vitest";
import { addStep, count, noTally, STEPS } from "./tally.ts";

test.each([
  [[1, 2, 3], { received: 3, lost: 0, repeated: 0, next: 4 }],
  [[1, 4], { received: 2, lost: 2, repeated: 0, next: 5 }],
  [[1, 2, 2, 1, 3], { received: 5, lost: 0, repeated: 2, next: 4 }],
  [[3], { received: 1, lost: 2, repeated: 0, next: 4 }],
  // Too late is no better than twice.
  [[2, 1], { received: 2, lost: 1, repeated: 1, next: 3 }],
])("%j", (numbers, tally) => expect(numbers.reduce(count, noTally)).toEqual(tally));

test("keeps the newest steps", () => {
  let steps = addStep([], { published: 0, received: 0, transport: "", isDown: false });
  for (let n = 1; n <= STEPS; n += 1) steps = addStep(steps, { published: n, received: 0, transport: "", isDown: false });
  expect([steps.length, steps[0]?.published, steps.at(-1)?.published]).toEqual([STEPS, 1, STEPS]);
});
