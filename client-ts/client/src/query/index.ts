/** Calls as queries of TanStack Query, and streams that keep its cache true. */
import type { Gap, ServerStreamCall, StreamHandle, UnaryCall } from "@lastmile/client";
import type { QueryClient, QueryKey } from "@tanstack/vue-query";

export interface CallQuery<Output> {
  queryKey: readonly [method: string, input: unknown];
  queryFn: (context: { signal: AbortSignal }) => Promise<Output>;
}

/** What `useQuery` and `queryClient.fetchQuery` take: `useQuery(queryOptions(users.getUser, { id: 1 }))`. */
export function queryOptions<Input, Output>(call: UnaryCall<Input, Output>, input: Input = {} as Input): CallQuery<Output> {
  return {
    queryKey: [call.method.name, input],
    queryFn: ({ signal }) => (call as unknown as (input: Input, options: object) => Promise<Output>)(input, { signal }),
  };
}

export interface FeedOptions<State, Message> {
  /** Where the stream continues, such as the cursor that came with the state. */
  cursor?: string;
  /** The state after a message. */
  apply: (state: State, message: Message) => State;
  /** Events may be missing. The query is read anew in any case. */
  gap?: (gap: Gap) => void;
}

/** Changes the cached state of a query with every message; after a gap the query is read anew. */
export function feedQuery<State, Input, Message>(
  client: QueryClient,
  queryKey: QueryKey,
  call: ServerStreamCall<Input, Message>,
  input: Input,
  { cursor, apply, gap }: FeedOptions<State, Message>,
): StreamHandle {
  const open = call as unknown as (input: Input, options: object) => ReturnType<typeof call>;
  return open(input, cursor ? { cursor } : {}).subscribe({
    event: (message) => void client.setQueryData<State>(queryKey, (state) => (state === undefined ? state : apply(state, message))),
    gap(told) {
      gap?.(told);
      return client.invalidateQueries({ queryKey });
    },
  });
}
