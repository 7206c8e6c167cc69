/** What every call of a link goes through: the address, the caller's identity, and a request that fails with its reason. */
import { asError, fromProblem, LastmileError } from "./error.ts";
import type { Method } from "./method.ts";
import { type HttpRequest, toHttp } from "./request.ts";

export interface WireOptions {
  /** Where the edge is, such as `https://api.example.com`; the page's own origin when it is left out. */
  baseUrl?: string;
  /** The edge's `paths.prefix`. */
  prefix?: string;
  /** The access token; leave it out where a cookie says who calls. A function is asked for every request. */
  token?: string | (() => string | null | undefined | Promise<string | null | undefined>);
  /**
   * Renews the identity: called once when the edge says that it is over, whoever asks, in one tab at a time. Afterwards
   * `token` gives the new token, or the browser has a new cookie. Rejects when the caller has to log in again.
   */
  refresh?: () => Promise<unknown>;
  /** Whether cookies go along: `same-origin` unless set. */
  credentials?: RequestCredentials;
  /** Headers of every request. */
  headers?: HeadersInit;
  /** False: every method is called by its own name, `POST /package.Service/Method`, whatever path is bound to it. */
  bindings?: boolean;
  /** W3C trace context of a request; otherwise all requests of the link are spans of one trace. */
  traceparent?: () => string;
  fetch?: typeof fetch;
}

export interface Sending {
  /** A later one wins. */
  headers?: readonly (HeadersInit | undefined)[];
  signal?: AbortSignal | undefined;
}

export interface Wire {
  /** How a method is asked for. */
  request(method: Method, input: object | undefined): HttpRequest;
  /** The path of something that is the edge's own. */
  own(path: string): string;
  url(path: string): string;
  token(): Promise<string>;
  traceparent(): string;
  /** Whether a plain request gets through. */
  probe(): Promise<boolean>;
  /** Sends a request. Rejects unless the answer is good; when it says that the identity is over, renews it once. */
  send(request: HttpRequest, sending?: Sending): Promise<Response>;
  /** The identity is being renewed by a call that begins in this moment. */
  readonly isInRefresh: boolean;
  /** How often the identity was renewed. */
  readonly renewals: number;
  /** Renews the identity, unless that was done since `renewals` was read. False: there is no way to do so. */
  renew(since: number): Promise<boolean>;
}

/** A refresh that never ends must not hold up everything for ever. */
const REFRESH_MS = 30_000;

export function createWire(options: WireOptions, trace = hex(16)): Wire {
  const { prefix = "", bindings = true } = options;
  const base = (options.baseUrl ?? "").replace(/\/+$/, "");
  let renewals = 0;
  let renewal: Promise<boolean> | undefined;
  let isInRefresh = false;

  const call: typeof fetch = (input, init) => (options.fetch ?? fetch)(input, init);

  /** Without any header: it needs no identity, and nobody has to be asked whether it may be sent. */
  async function probe(): Promise<boolean> {
    if (globalThis.navigator?.onLine === false) return false;
    const answer = call(`${base}${prefix}/.well-known/lastmile/probe`, { credentials: "omit", signal: AbortSignal.timeout(5000) });
    return answer.then(
      ({ ok }) => ok,
      () => false,
    );
  }

  async function token(): Promise<string> {
    const { token: given } = options;
    return (typeof given === "function" ? await given() : given) ?? "";
  }

  const traceparent = options.traceparent ?? ((): string => `00-${trace}-${hex(8)}-01`);

  async function ask(request: HttpRequest, { headers: more = [], signal }: Sending): Promise<Response> {
    const headers = new Headers(options.headers);
    headers.set("traceparent", traceparent());
    const bearer = await token();
    if (bearer) headers.set("authorization", `Bearer ${bearer}`);
    if (request.body !== undefined) headers.set("content-type", "application/json");
    for (const each of more) new Headers(each).forEach((value, name) => headers.set(name, value));
    const init: RequestInit = { method: request.verb, headers, credentials: options.credentials ?? "same-origin" };
    if (request.body !== undefined) init.body = request.body;
    if (signal) init.signal = signal;
    const response = await call(base + request.path, init).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : asError(error);
    });
    if (response.ok) return response;
    throw fromProblem(await response.text(), response.status, response.headers.get("retry-after"));
  }

  async function send(request: HttpRequest, sending: Sending = {}): Promise<Response> {
    // The call that renews must not wait for itself.
    const mayRenew = !isInRefresh;
    const since = renewals;
    try {
      return await ask(request, sending);
    } catch (error) {
      const isOver = error instanceof LastmileError && error.code === "UNAUTHENTICATED";
      if (!isOver || !mayRenew || !(await renew(since))) throw error;
      return ask(request, sending);
    }
  }

  function renew(since: number): Promise<boolean> {
    if (renewals !== since) return Promise.resolve(true);
    if (!options.refresh) return Promise.resolve(false);
    renewal ??= inOneTab(refresh).finally(() => (renewal = undefined));
    return renewal;
  }

  async function refresh(): Promise<boolean> {
    isInRefresh = true;
    const pending = options.refresh!();
    isInRefresh = false;
    try {
      await Promise.race([pending, new Promise((_, reject) => setTimeout(reject, REFRESH_MS, new TypeError("slow")))]);
    } catch (error) {
      if (asError(error).final) return false;
      throw error;
    }
    renewals += 1;
    return true;
  }

  return {
    request: (method, input) => toHttp(bindings ? method : { name: method.name, kind: method.kind }, input, prefix),
    own: (path) => prefix + path,
    probe,
    url: (path) => base + path,
    token,
    traceparent,
    send,
    renew,
    get isInRefresh() {
      return isInRefresh;
    },
    get renewals() {
      return renewals;
    },
  };
}

/** A refresh token that two tabs use at once revokes its whole family. Locks are there in secure contexts only. */
async function inOneTab<T>(work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  return locks ? (locks.request("lastmile-refresh", work) as Promise<T>) : work();
}

function hex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
