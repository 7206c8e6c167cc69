/** How messages of a call in both directions are written and read: as JSON, unless another way is given. */
import { LastmileError } from "../core/error.ts";
import type { Payload } from "./frames.ts";

export interface Codec<Input, Output> {
  readonly encoding?: "ENCODING_PROTO";
  write(message: Input): Payload;
  /** `content` is what JSON says, or bytes. */
  read(content: unknown): Output;
}

export const JSON_CODEC: Codec<unknown, unknown> = { write: (json) => ({ json }), read: (content) => content };

/** What came is no message of this type: the call is of no use any more. */
export function undecodable(error: unknown): LastmileError {
  const message = `A message cannot be decoded (${(error as Error).message}): is the generated code of the same schema as the backend?`;
  return new LastmileError(message, { code: "DATA_LOSS", reason: "undecodable" });
}
