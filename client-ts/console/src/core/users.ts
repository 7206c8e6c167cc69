/** The users table as a value: a snapshot, and the changes that follow it. */
import type { User, UserChange } from "./types.ts";

export interface Row {
  user: User;
  /** Counts the changes seen live; 0 for a row of the snapshot. */
  changes: number;
}

export function rowsOf(users: User[]): Row[] {
  return users.map((user) => ({ user, changes: 0 }));
}

export function applyChange(rows: Row[], change: UserChange): Row[] {
  if (change.userDeleted) {
    const { id } = change.userDeleted;
    return rows.filter((row) => row.user.id !== id);
  }
  const user = (change.userCreated ?? change.userUpdated)?.user;
  if (!user) return rows;
  const known = rows.some((row) => row.user.id === user.id);
  if (!known) return [...rows, { user, changes: 1 }].sort((a, b) => a.user.id - b.user.id);
  return rows.map((row) => (row.user.id === user.id ? { user, changes: row.changes + 1 } : row));
}

/** One sentence for people who do not see the row light up. */
export function describeChange(rows: Row[], change: UserChange): string {
  if (change.userCreated) return `${change.userCreated.user.name} was added`;
  if (change.userUpdated) return `${change.userUpdated.user.name} was changed`;
  const gone = rows.find((row) => row.user.id === change.userDeleted?.id);
  return gone ? `${gone.user.name} was removed` : "";
}

/** "a, b" and " a,b, " both mean two tags. */
export function parseTags(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim()))].filter(Boolean);
}
