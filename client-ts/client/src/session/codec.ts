/** How messages of a call in both directions are written and read: as JSON, unless another way is given. */
import type { Payload } from "./frames.ts";

export interface Codec<Input, Output> {
  readonly encoding?: "ENCODING_PROTO";
  write(message: Input): Payload;
  /** `content` is what JSON says, or bytes. */
  read(content: unknown): Output;
}

export const JSON_CODEC: Codec<unknown, unknown> = { write: (json) => ({ json }), read: (content) => content };
