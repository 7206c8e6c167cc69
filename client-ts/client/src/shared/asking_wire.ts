/** In the worker: a wire whose identity is the tabs' affair. They renew it, one at a time. */
import { LastmileError } from "../core/error.ts";
import { createWire, type Wire } from "../core/wire.ts";
import type { Place } from "./messages.ts";

export function createAskingWire(place: Place, ask: (what: "token" | "renew") => Promise<unknown>): Wire {
  const plain = createWire({ ...place, token });
  let renewals = 0;
  let renewal: Promise<boolean> | undefined;

  async function token(): Promise<string> {
    const told = await ask("token");
    if (typeof told === "string") return told;
    // Without one it would be a session of nobody. No transport is to blame for that.
    throw new LastmileError("No tab says who calls.", { code: "UNAVAILABLE", answered: true });
  }

  async function askToRenew(): Promise<boolean> {
    const isRenewed = (await ask("renew")) === true;
    if (isRenewed) renewals += 1;
    return isRenewed;
  }

  function renew(since: number): Promise<boolean> {
    if (renewals !== since) return Promise.resolve(true);
    renewal ??= askToRenew().finally(() => (renewal = undefined));
    return renewal;
  }

  return {
    ...plain,
    renew,
    get renewals() {
      return renewals;
    },
    async send(request, sending) {
      const since = renewals;
      try {
        return await plain.send(request, sending);
      } catch (error) {
        const isOver = error instanceof LastmileError && error.code === "UNAUTHENTICATED";
        if (!isOver || !(await renew(since))) throw error;
        return plain.send(request, sending);
      }
    },
  };
}
