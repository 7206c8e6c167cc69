/** Who is signed in, until when, and how that is renewed. */
import type { LastmileError } from "@lastmile/client";
import { readonly, ref, shallowRef } from "vue";
import type { LoginResponse } from "../api/lastmile/v1/auth.ts";
import type { User } from "../api/lastmile/v1/user.ts";
import { asLastmileError } from "../core/explain.ts";
import { type Info, readInfo } from "../core/own.ts";
import { auth, identity, link, me } from "./link.ts";

/** `asking` until the first answer tells whether the cookies still hold. */
export type Phase = "asking" | "out" | "in";

const phase = ref<Phase>("asking");
const user = shallowRef<User>();
const role = ref("");
const info = shallowRef<Info>();
/** Why the login form is back. */
const notice = ref("");
/** When the access token ends, in milliseconds since 1970; 0 when that is not known. */
const expires = ref(0);
const renewals = ref(0);
/** The backend is somebody else's: it has no users, topics or documents. */
const isForeign = ref(false);
/** The access token as the last answer told it: cookies hold it too, but pages cannot read those. */
let token = "";
let rotation: Promise<void> | undefined;

export const session = {
  phase: readonly(phase),
  user: readonly(user),
  role: readonly(role),
  info: readonly(info),
  notice: readonly(notice),
  expires: readonly(expires),
  renewals: readonly(renewals),
  isForeign: readonly(isForeign),

  async start(): Promise<LastmileError | undefined> {
    // Older edges and foreign ones have no such page; the console only shows less then.
    info.value = await readInfo().catch(() => undefined);
    try {
      const found = await me.getIdentity();
      role.value = found.role;
      take(found.user, found.expireTime);
      return undefined;
    } catch (thrown) {
      const error = asLastmileError(thrown);
      isForeign.value = error.code === "NOT_FOUND" || error.code === "UNIMPLEMENTED";
      if (error.final) phase.value = "out";
      return error.code === "UNAUTHENTICATED" || isForeign.value ? undefined : error;
    }
  },

  async login(username: string, password: string): Promise<void> {
    enter(await auth.login({ username, password }));
    // Whatever is open goes on as somebody else.
    link.reconnect();
  },

  /** Exchanges the refresh token for new ones; whoever asks meanwhile gets the same. */
  rotate(): Promise<void> {
    rotation ??= alone(rotate).finally(() => (rotation = undefined));
    return rotation;
  },

  /** The access token, for links that carry it themselves. */
  async token(): Promise<string> {
    if (!token && phase.value === "in") await session.rotate();
    return token;
  },

  async logout(): Promise<void> {
    await auth.logout();
    leave("");
    notice.value = "";
    link.reconnect();
  },
};

identity.renew = session.rotate;

async function rotate(): Promise<void> {
  try {
    enter(await auth.refresh());
    renewals.value += 1;
  } catch (thrown) {
    const error = asLastmileError(thrown);
    // Cookies of a session that is over are refused even where anybody may read. INVALID_ARGUMENT: there are none.
    if (error.final && error.code !== "INVALID_ARGUMENT") await auth.logout().catch(() => undefined);
    if (error.final) leave(phase.value === "in" ? "Your session has ended. Log in again to go on." : "");
    throw error;
  }
}

/** A refresh token that two tabs use at once ends the session. Locks are there in secure contexts only. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  const locks = navigator.locks as LockManager | undefined;
  return locks ? ((await locks.request("lastmile-console", work)) as T) : work();
}

function enter({ user: who, accessToken, expireTime }: Pick<LoginResponse, "user" | "accessToken" | "expireTime">): void {
  token = accessToken;
  role.value = who?.role ?? "";
  take(who, expireTime);
}

function take(who: User | undefined, until: string | undefined): void {
  user.value = who;
  expires.value = until ? Date.parse(until) : 0;
  notice.value = "";
  phase.value = "in";
}

function leave(why: string): void {
  token = "";
  user.value = undefined;
  expires.value = 0;
  phase.value = "out";
  notice.value = why || notice.value;
}
