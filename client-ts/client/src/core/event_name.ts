/** Finds the name of an event in its message, where the transport has not told it. */
import type { StreamInfo } from "./method.ts";

/** The rule names a field that holds it, or the members of a oneof: then the one that is there says it. */
export function eventName(info: StreamInfo | undefined, message: { [name: string]: unknown }): string {
  const rule = info?.event;
  if (!rule) return "";
  if (typeof rule === "string") return String(message[rule] ?? "");
  for (const member in rule) if (message[member] !== undefined) return rule[member]!;
  return "";
}
