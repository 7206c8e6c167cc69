/** Who is signed in, and the one API client that all views share. */
import { readonly, ref, shallowRef } from "vue";
import { createApi } from "../core/api.ts";
import { asProblem, type Problem } from "../core/problem.ts";
import type { Info, User } from "../core/types.ts";

/** `asking` until the first answer tells whether the cookies still hold. */
type Phase = "asking" | "out" | "in";

const phase = ref<Phase>("asking");
const user = shallowRef<User>();
const info = shallowRef<Info>();
/** Why the login form is back. */
const notice = ref("");

export const api = createApi({ onSignedOut });

export const session = {
  phase: readonly(phase),
  user: readonly(user),
  info: readonly(info),
  notice: readonly(notice),

  async start(): Promise<Problem | undefined> {
    // Older edges and foreign ones have no such page; the console only shows less then.
    info.value = await api.info().catch(() => undefined);
    try {
      signIn((await api.me()).user);
      return undefined;
    } catch (error) {
      phase.value = "out";
      const problem = asProblem(error);
      return problem.status === 401 ? undefined : problem;
    }
  },

  async login(username: string, password: string): Promise<void> {
    signIn((await api.login(username, password)).user);
  },

  async logout(): Promise<void> {
    await api.logout();
    user.value = undefined;
    notice.value = "";
    phase.value = "out";
  },
};

function signIn(who: User | undefined): void {
  user.value = who;
  notice.value = "";
  phase.value = "in";
}

function onSignedOut(): void {
  if (phase.value !== "in") return;
  user.value = undefined;
  notice.value = "Your session has ended. Log in again to go on.";
  phase.value = "out";
}
