/** Finds the name of an event in its message, where the transport has not told it. */
import type { StreamInfo } from "./method.ts";

/** The rule names a field that holds it, or the members of a oneof: then the one that is there says it. */
export function eventName(rule: StreamInfo["event"], message: unknown): string {
  const fields = Object(message) as { [name: string]: unknown };
  if (!rule) return "";
  if (typeof rule === "string") return String(fields[rule] ?? "");
  for (const member in rule) if (fields[member] !== undefined) return rule[member]!;
  return "";
}
