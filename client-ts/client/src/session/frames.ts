/** The frames of a session as ProtoJSON (`lastmile/edge/v1/session.proto`); what is empty is left out. */

/** A message: ProtoJSON, or protobuf in base64. */
export interface Payload {
  json?: unknown;
  proto?: string;
}

export interface Open extends Payload {
  call: number;
  method: string;
  encoding?: "ENCODING_PROTO";
  cursor?: string;
  credit: number;
  timeoutMs?: number;
}

/** Who it is: by a token, by a ticket, or by what the request of the connection carries. */
export interface Hello {
  token?: string;
  ticket?: string;
  /** The session that goes on, and the number of the last frame that was had of it. */
  session?: string;
  received?: number;
  traceparent?: string;
}

export type ClientFrame =
  | { hello: Hello }
  | { open: Open }
  | { send: { call: number } & Payload }
  | { halfClose: { call: number } }
  | { cancel: { call: number } }
  | { credit: { call: number; messages: number } }
  | { auth: { token: string } }
  | { ack: { received: number } }
  | { ping: object };

export interface Opened {
  call: number;
  channel?: number;
  outcome?: "OUTCOME_FRESH" | "OUTCOME_RESUMED" | "OUTCOME_GAP";
  reason?: string;
  cursor?: string;
}

export interface Message extends Payload {
  call?: number;
  channel?: number;
  cursor?: string;
  event?: string;
}

/** What a message holds: what JSON says, bytes, or nothing. */
export function contentOf({ json, proto }: Payload): unknown {
  return proto === undefined ? json : Uint8Array.from(atob(proto), (letter) => letter.charCodeAt(0));
}

export interface End {
  call: number;
  status?: number;
  message?: string;
  details?: { "@type": string; [key: string]: unknown }[];
}

export interface Goaway {
  reconnectMs?: number;
  fallback?: string;
  reason?: string;
}

/** One of its members is there. */
export interface ServerFrame {
  ready?: { session: string; received?: number; heartbeatMs?: number; resumeMs?: number };
  opened?: Opened;
  message?: Message;
  end?: End;
  authExpiring?: { expiresMs?: number };
  authed?: { expiresMs?: number };
  goaway?: Goaway;
  pong?: object;
  credit?: { call: number; messages?: number };
  ack?: { received?: number };
}

/** Whether both sides count it: what is about a call is; what is about the connection is not. */
export function isCounted(frame: ClientFrame): boolean {
  return "open" in frame || "send" in frame || "halfClose" in frame || "cancel" in frame || "credit" in frame;
}

/** Of the edge's frames a message with a cursor is not counted either: it comes again by its cursor. */
export function isCountedByEdge({ opened, end, credit, message }: ServerFrame): boolean {
  return Boolean(opened ?? end ?? credit ?? (message && !message.cursor));
}
