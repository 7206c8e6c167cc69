/** The users list as a value: what a change makes of it, and what changed from one list to the next. */
import type { ListUsersResponse, User, WatchUsersResponse } from "../api/lastmile/v1/user.ts";

export function applyChange(list: ListUsersResponse, change: WatchUsersResponse): ListUsersResponse {
  const { cursor } = change;
  if (change.userDeleted) {
    const { id } = change.userDeleted;
    return { ...list, cursor, users: list.users.filter((user) => user.id !== id) };
  }
  const user = (change.userCreated ?? change.userUpdated)?.user;
  if (!user) return { ...list, cursor };
  const known = list.users.some(({ id }) => id === user.id);
  if (!known) return { ...list, cursor, users: [...list.users, user].sort((one, other) => one.id - other.id) };
  return { ...list, cursor, users: list.users.map((old) => (old.id === user.id ? user : old)) };
}

/** Ids of the users that are new or not as they were. */
export function changedIds(before: readonly User[], now: readonly User[]): number[] {
  const etags = new Map(before.map(({ id, etag }) => [id, etag]));
  return now.filter(({ id, etag }) => etags.get(id) !== etag).map(({ id }) => id);
}

/** A sentence for people who do not see the rows light up; empty when nothing changed. */
export function describeChanges(before: readonly User[], now: readonly User[]): string {
  const [old, present] = [before, now].map((users) => new Set(users.map(({ id }) => id)));
  const sentences = [
    ...now.filter(({ id }) => !old!.has(id)).map(({ name }) => `${name} was added`),
    ...before.filter(({ id }) => !present!.has(id)).map(({ name }) => `${name} was removed`),
    ...now.filter(({ id }) => old!.has(id) && changedIds(before, now).includes(id)).map(({ name }) => `${name} was changed`),
  ];
  return sentences.join(", ");
}

/** "a, b" and " a,b, " both mean two tags. */
export function parseTags(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim()))].filter(Boolean);
}
