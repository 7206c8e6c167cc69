/** Calls any method of the edge, as the client would that is generated for it. */
import { createClient, type LastmileError, type Method, type StreamHandle } from "@lastmile/client";
import { onScopeDispose, ref, shallowRef } from "vue";
import type { Json } from "../core/calls.ts";
import { asLastmileError } from "../core/explain.ts";
import { link } from "./link.ts";

/** So many messages of a stream are shown. */
const SHOWN = 20;

/** A client whose types are not known. */
interface AnyClient {
  call(input: unknown, options?: { signal: AbortSignal }): Promise<unknown> & {
    subscribe(handlers: object): StreamHandle;
  };
}

export function useTrial() {
  const answer = ref("");
  const said = ref("");
  const error = shallowRef<LastmileError>();
  const isBusy = ref(false);
  let stop = (): void => {};

  function call(rpc: string, table: Method, request: Json): void {
    stop();
    [answer.value, said.value, error.value, isBusy.value] = ["", "", undefined, true];
    const [service = ""] = rpc.split("/");
    const client = createClient({ name: service, methods: { call: table } }, link) as unknown as AnyClient;
    if (table.kind === "server") follow(client, request);
    else void ask(client, table.kind === "client" ? listOf(request) : request);
  }

  async function ask(client: AnyClient, input: unknown): Promise<void> {
    const began = performance.now();
    const abort = new AbortController();
    stop = () => abort.abort(new DOMException("Stopped", "AbortError"));
    try {
      answer.value = JSON.stringify(await client.call(input, { signal: abort.signal }), null, 2);
      said.value = `Answered in ${Math.round(performance.now() - began)} ms`;
    } catch (thrown) {
      if (abort.signal.aborted) said.value = "Stopped";
      else error.value = asLastmileError(thrown);
    }
    isBusy.value = false;
  }

  function follow(client: AnyClient, input: unknown): void {
    const shown: string[] = [];
    let count = 0;
    const handle = client.call(input).subscribe({
      event(message: unknown) {
        count += 1;
        shown.unshift(JSON.stringify(message, null, 2));
        answer.value = shown.slice(0, SHOWN).join("\n");
        said.value = `${count} ${count === 1 ? "message" : "messages"}, newest first`;
      },
      gap: ({ reason }: { reason: string }) => (said.value = `Events may be missing: ${reason}`),
      end: () => finish("The stream has ended"),
      error(problem: LastmileError) {
        error.value = problem;
        finish("");
      },
      status: ({ state }: { state: string }) => state === "live" && count === 0 && (said.value = "Open, nothing yet"),
    });
    stop = () => {
      handle.close();
      finish("Stopped");
    };
  }

  function finish(words: string): void {
    isBusy.value = false;
    said.value = words || said.value;
  }

  onScopeDispose(() => stop());
  return { answer, said, error, isBusy, call, stop: () => stop() };
}

/** What streams its requests takes each item of a list as one of them. */
function listOf(request: Json): unknown[] {
  return Array.isArray(request) ? request : [request];
}
