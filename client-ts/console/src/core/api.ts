/** The REST calls the console makes: cookies carry the identity, and an expired one is renewed once on the way. */
import { asProblem, readProblem, type Problem } from "./problem.ts";
import type { EventList, Identity, Info, Topic, User, UserList } from "./types.ts";

export interface ApiOptions {
  fetch?: typeof fetch;
  /** Runs one renewal at a time over all tabs: a refresh token used twice revokes its whole family. */
  exclusive?: <T>(work: () => Promise<T>) => Promise<T>;
  /** The session could not be renewed. */
  onSignedOut?: () => void;
}

export interface UserDraft {
  name: string;
  tags: string[];
  email: string;
  username?: string;
  role?: string;
}

export type Api = ReturnType<typeof createApi>;

export function createApi(options: ApiOptions = {}) {
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const exclusive = options.exclusive ?? inOneTab;
  let renewal: Promise<boolean> | undefined;

  async function request(method: string, path: string, body?: unknown, headers: HeadersInit = {}): Promise<Response> {
    const init: RequestInit = { method, credentials: "same-origin", headers: { accept: "application/json", ...headers } };
    if (body !== undefined) {
      init.headers = { ...init.headers, "content-type": "application/json" };
      init.body = JSON.stringify(body);
    }
    return send(path, init);
  }

  /** True when there is a valid session again. Callers at the same time share one attempt. */
  function renew(): Promise<boolean> {
    renewal ??= exclusive(async () => {
      const response = await request("POST", "/api/v1/auth/refresh", {});
      if (response.status >= 500) throw await readProblem(response);
      return response.ok;
    }).finally(() => {
      renewal = undefined;
    });
    return renewal;
  }

  /** Sends with the session's cookies; a 401 is answered by one renewal and one more try. */
  async function sendSigned(method: string, path: string, body?: unknown, headers?: HeadersInit): Promise<Response> {
    const first = await request(method, path, body, headers);
    if (first.status !== 401) return first;
    if (await renew()) return request(method, path, body, headers);
    options.onSignedOut?.();
    return first;
  }

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return answer<T>(sendSigned(method, path, body));
  }

  return {
    info: () => answer<Info>(request("GET", "/.well-known/lastmile/info")),
    openapi: () => answer<Record<string, unknown>>(request("GET", "/openapi.json")),

    login: (username: string, password: string) =>
      answer<{ user: User }>(request("POST", "/api/v1/auth/login", { username, password })),
    logout: () => answer<unknown>(request("POST", "/api/v1/auth/logout", {})),
    me: () => call<Identity>("GET", "/api/v1/auth/me"),

    listUsers: (pageToken = "") =>
      call<UserList>("GET", `/api/v1/users?pageSize=100${pageToken && `&pageToken=${encodeURIComponent(pageToken)}`}`),
    createUser: (user: UserDraft, password: string) => call<User>("POST", "/api/v1/users", { user, password }),
    updateUser: (id: number, changes: Partial<UserDraft> & { etag?: string }) =>
      call<User>("PATCH", `/api/v1/users/${id}`, changes),
    deleteUser: (id: number) => call<unknown>("DELETE", `/api/v1/users/${id}`),

    listTopics: () => call<{ topics: Topic[] }>("GET", "/api/v1/topics"),
    /** The latest `last` events. */
    latestEvents: (topic: string, last: number) => call<EventList>("GET", `${topicPath(topic)}/history?last=${last}`),
    /** The events behind a cursor, one page of them. */
    eventsAfter: (topic: string, cursor: string) =>
      call<EventList>("GET", `${topicPath(topic)}/history?after=${encodeURIComponent(cursor)}`),
    publish: (topic: string, type: string, data: unknown) =>
      call<{ cursor: string; id: string }>("POST", `${topicPath(topic)}/events`, { type, data }),

    /** Asks why a stream was refused, which EventSource does not tell; undefined when it is served now. */
    async explain(url: string): Promise<Problem | undefined> {
      try {
        const response = await sendSigned("GET", url, undefined, { accept: "text/event-stream" });
        if (!response.ok) return await readProblem(response);
        await response.body?.cancel();
        return undefined;
      } catch (error) {
        return asProblem(error);
      }
    },
  };
}

export function topicPath(topic: string): string {
  return `/api/v1/topics/${encodeURIComponent(topic)}`;
}

async function answer<T>(pending: Promise<Response>): Promise<T> {
  const response = await pending.catch((error: unknown) => {
    throw asProblem(error);
  });
  if (!response.ok) throw await readProblem(response);
  return (await response.json()) as T;
}

/** Web Locks exist only in secure contexts; elsewhere the tabs have to take their chance. */
async function inOneTab<T>(work: () => Promise<T>): Promise<T> {
  if (!globalThis.navigator?.locks) return work();
  return navigator.locks.request("lastmile-refresh", work) as Promise<T>;
}
