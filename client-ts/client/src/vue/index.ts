/** Streams and calls in Vue components: they end with their scope, and do nothing on a server. */
export { type BatchedRef, batchedRef } from "./batch.ts";
export { useEventStream, type EventStream, type EventStreamOptions } from "./event_stream.ts";
export { type LastmilePlugin, createLastmile, useLink } from "./plugin.ts";
export { useBus } from "./bus.ts";
export { type Call, useCall, type UseCallOptions } from "./call.ts";
export { type LiveQuery, useLiveQuery, type UseLiveQueryOptions } from "./live_query.ts";
export { type Stream, useStream, type UseStreamOptions } from "./stream.ts";
