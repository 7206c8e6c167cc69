/**
 * A document as one of its writers sees it: what is confirmed, and on top of that what it has changed since.
 *
 * Only the ordered log changes what is confirmed, the writer's own changes too: an answer to a commit merely says where in
 * the log they are. So all writers see the same, whatever is lost on the way.
 */
import type { JsonObject } from "@lastmile/client";
import { apply, type Change, covers, type Op } from "./pointer.ts";

export class Model {
  version = 0;
  base: JsonObject = {};
  pending: Op[] = [];
  readonly writer: string;
  private made = 0;

  /** Operations are known by their ids: what is sent again is not applied again. */
  constructor(writer: string) {
    this.writer = writer;
  }

  get view(): JsonObject {
    return this.pending.reduce(apply, this.base);
  }

  /** The writer's own changes, to be committed. */
  change(changes: Change[]): void {
    this.pending.push(...changes.map((change) => ({ opId: `${this.writer}.${(this.made += 1)}`, ...change })));
  }

  /** A snapshot of the document. */
  load(version: number, base: JsonObject): void {
    this.version = version;
    this.base = base;
  }

  /** The next change of the log. False: one before it is missing. */
  advance(version: number, ops: readonly Op[]): boolean {
    if (version <= this.version) return true;
    if (version !== this.version + 1) return false;
    this.version = version;
    this.base = ops.reduce(apply, this.base);
    this.drop(ops);
    return true;
  }

  drop(ops: readonly Op[]): void {
    const ids = new Set(ops.map(({ opId }) => opId));
    this.pending = this.pending.filter(({ opId }) => !ids.has(opId));
  }

  /** Gives up what the writer changed in these places; the empty one is the whole document. */
  giveUp(paths: readonly string[]): void {
    this.pending = this.pending.filter((op) => !paths.some((path) => covers(path, op.path) || covers(op.path, path)));
  }
}
