/** The document service of the core, as far as stores need it (`lastmile/v1/document.proto`). */
import type { JsonObject, JsonValue, ServerStream, Unary } from "@lastmile/client";
import type { Op } from "./pointer.ts";

interface Changed {
  version: number;
  ops: Op[];
}

export interface Watched {
  position?: boolean;
  documentChanged?: Changed;
  documentDeleted?: { version: number };
}

export interface Conflict {
  version: number;
  paths: { path: string; current?: JsonValue }[];
}

type Id = { id: string };
type Snapshot = { document?: { version: number; content?: JsonObject }; cursor: string };

/** Called by their names: a path of their own would only make it longer. */
export const DocumentService = {
  name: "lastmile.v1.DocumentService",
  methods: {
    get: { name: "GetDocument", kind: "unary", safe: true } as Unary<Id, Snapshot>,
    commit: { name: "CommitDocument", kind: "unary" } as Unary<Id & { baseVersion: number; ops: Op[] }, { version: number }>,
    watch: { name: "WatchDocument", kind: "server", stream: { resume: "cursor" } } as ServerStream<Id, Watched>,
  },
} as const;
