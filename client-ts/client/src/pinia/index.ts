/** Stores that several people share: `pinia.use(createPiniaSync({ link }))`, and `sync: { doc: "board" }` in a store. */
export { createPiniaSync, type PiniaSyncOptions, type StoreSync, type SyncOptions } from "./plugin.ts";
export type { Clash, SyncStatus } from "./sync.ts";
