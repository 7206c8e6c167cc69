// Finds out which messages travel to the edge, which come from it, and which do both.
import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { isWellKnown } from "./well_known.ts";

/** A message that goes both ways has two types: what a caller may leave out, an answer always has. */
export interface Usage {
  sent: ReadonlySet<DescMessage>;
  received: ReadonlySet<DescMessage>;
}

export function findUsage(files: readonly DescFile[]): Usage {
  const sent = new Set<DescMessage>();
  const received = new Set<DescMessage>();
  for (const file of files) {
    for (const method of file.services.flatMap((service) => service.methods)) {
      reach(method.input, sent);
      reach(method.output, received);
    }
  }
  // What no method names is an event, an error's detail or the content of an Any: it is only ever read.
  for (const message of files.flatMap((file) => file.messages)) {
    for (const each of withNested(message)) if (!sent.has(each)) reach(each, received);
  }
  return { sent, received };
}

export function withNested(message: DescMessage): DescMessage[] {
  const nested = message.nestedMessages.filter((each) => !each.proto.options?.mapEntry);
  return [message, ...nested.flatMap(withNested)];
}

function reach(message: DescMessage, found: Set<DescMessage>): void {
  if (found.has(message) || isWellKnown(message)) return;
  found.add(message);
  for (const field of message.fields) {
    if (field.message) reach(field.message, found);
  }
}
