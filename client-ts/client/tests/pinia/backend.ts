// A document service as the core has it: operations known by id, conflicts by path, one ordered log.
import type { JsonObject } from "@lastmile/client";
import type { FakeEdge } from "@lastmile/client/testing";
import { DocumentService } from "../../src/pinia/document.ts";
import { apply, covers, type Op } from "../../src/pinia/pointer.ts";

export class Backend {
  content: JsonObject | undefined;
  version = 0;
  commits = 0;
  conflicts = 0;
  /** Asked before and after a commit is applied: true breaks it off there. */
  fails = { before: (): boolean => false, after: (): boolean => false };
  /** What the log has and nobody was told, while it is held back. */
  held: (() => void)[] | undefined;
  private readonly edge: FakeEdge;
  private readonly known = new Map<string, number>();
  private readonly changed = new Map<string, number>();

  constructor(edge: FakeEdge) {
    this.edge = edge;
    edge.answer(DocumentService, "get", () => {
      if (!this.content) throw { status: 404, code: "NOT_FOUND" };
      return { document: { version: this.version, content: this.content }, cursor: `c${this.version}` };
    });
    edge.answer(DocumentService, "commit", ({ baseVersion, ops }) => this.commit(baseVersion, ops));
  }

  release(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const tell of held) tell();
  }

  write(set: JsonObject): void {
    const ops = Object.entries(set).map(([key, value]) => ({ opId: `w${this.version}.${key}`, path: `/${key}`, set: value }));
    this.commit(this.version, ops);
  }

  private commit(baseVersion: number, ops: Op[]): { version: number } {
    if (this.fails.before()) throw { status: 503, code: "UNAVAILABLE" };
    if (ops.some(({ path }) => path.includes("forbidden"))) throw { status: 400, code: "INVALID_ARGUMENT", detail: "not that" };
    const fresh = ops.filter(({ opId }) => !this.known.has(opId));
    if (fresh.length > 0) this.applyAll(baseVersion, fresh, ops);
    const version = fresh.length > 0 ? this.version : this.known.get(ops[0]!.opId)!;
    if (this.fails.after()) throw { status: 503, code: "UNAVAILABLE" };
    return { version };
  }

  private applyAll(baseVersion: number, fresh: Op[], all: Op[]): void {
    const own = new Set(all.flatMap(({ opId }) => this.known.get(opId) ?? []));
    const clashes = fresh.filter(({ path }) =>
      [...this.changed].some(([other, version]) => (covers(other, path) || covers(path, other)) && version > baseVersion && !own.has(version)),
    );
    if (clashes.length > 0) {
      this.conflicts += 1;
      const paths = clashes.map(({ path }) => ({ path }));
      const detail = { "@type": "type.googleapis.com/lastmile.v1.DocumentConflict", version: this.version, paths };
      throw { status: 409, code: "ABORTED", reason: "DOCUMENT_CONFLICT", details: [detail] };
    }
    this.version += 1;
    this.commits += 1;
    this.content = fresh.reduce(apply, this.content ?? {});
    for (const { opId, path } of fresh) {
      this.known.set(opId, this.version);
      this.changed.set(path, this.version);
    }
    const documentChanged = { version: this.version, ops: fresh };
    const tell = (): void => this.edge.emit(DocumentService, "watch", { documentChanged });
    if (this.held) this.held.push(tell);
    else tell();
  }
}
