/** In the worker: what tabs are asked, each question with a number of its own, whichever session it is for. */
import type { ToTab, ToWorker } from "./messages.ts";

export type Answer = Extract<ToWorker, { type: "answer" }>;

/** Whom a question goes to. */
export interface Asked {
  say(message: ToTab): void;
}

export interface Questions {
  /** Nothing when no answer came in time. */
  ask(tab: Asked, what: "token" | "renew"): Promise<Answer | undefined>;
  /** Only the tab that was asked can answer. */
  answered(tab: Asked, answer: Answer): void;
}

/** How long a tab may take to answer before another one is asked. */
const ANSWER_MS = 10_000;

export function createQuestions(): Questions {
  const open = new Map<number, { tab: Asked; settle(answer?: Answer): void }>();
  let last = 0;

  return {
    ask(tab, what) {
      const ask = (last += 1);
      return new Promise((resolve) => {
        const settle = (answer?: Answer): void => {
          clearTimeout(late);
          open.delete(ask);
          resolve(answer);
        };
        const late = setTimeout(settle, ANSWER_MS);
        open.set(ask, { tab, settle });
        tab.say({ type: "ask", ask, what });
      });
    },
    answered(tab, answer) {
      const question = open.get(answer.ask);
      if (question?.tab === tab) question.settle(answer);
    },
  };
}
