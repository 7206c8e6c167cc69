/** The one shape of every failure: RFC 9457 problems as the edge writes them, ends of streams, and no answer at all. */

export type Code =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** What is wrong with one field of a request. */
export interface FieldViolation {
  /** Its path, such as `user.email`. */
  field: string;
  message: string;
}

/** An error's detail: a protobuf message as JSON. */
export interface Detail {
  "@type": string;
  [key: string]: unknown;
}

export interface ErrorParts {
  code?: Code | undefined;
  status?: number;
  reason?: string | undefined;
  fields?: FieldViolation[] | undefined;
  details?: Detail[] | undefined;
  traceId?: string | undefined;
  retryMs?: number | undefined;
  cause?: unknown;
}

/** A call or a stream failed. */
export class LastmileError extends Error {
  override readonly name = "LastmileError";
  readonly code: Code;
  /** HTTP status; 0 when no answer came, or when there is none (in a stream). */
  readonly status: number;
  /** Why, as a name that code can compare: see the edge's `/.well-known/lastmile/reasons`. */
  readonly reason: string;
  /** What is wrong with the fields of the request. */
  readonly fields: readonly FieldViolation[];
  readonly details: readonly Detail[];
  /** Finds the call in traces and logs. */
  readonly traceId: string;
  /** When to ask again, in milliseconds, if the edge says so. */
  readonly retryMs: number | undefined;

  constructor(message: string, parts: ErrorParts = {}) {
    super(message, { cause: parts.cause });
    this.code = parts.code ?? "UNKNOWN";
    this.status = parts.status ?? 0;
    this.reason = parts.reason ?? "";
    this.fields = parts.fields ?? [];
    this.details = parts.details ?? [];
    this.traceId = parts.traceId ?? "";
    this.retryMs = parts.retryMs;
  }

  /** Asking again with the same request and the same identity cannot help. */
  get final(): boolean {
    return !/^(UNAVAIL|RESOURCE|DEADLINE|UNKNOWN|INTERNAL|ABORTED)/.test(this.code);
  }

  /** What is wrong with one field, if anything is. */
  of(field: string): string | undefined {
    return this.fields.find((violation) => violation.field === field)?.message;
  }
}

/** What a status means that came from something else than an edge. */
const BY_STATUS: { [status: number]: Code } = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  501: "UNIMPLEMENTED",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "UNAVAILABLE",
};

/** A problem body, also that of `lm-error`; anything else is told as it is. */
export function fromProblem(body: string, status = 0, retryAfter: string | null = null): LastmileError {
  const parts: ErrorParts = { status, code: BY_STATUS[status] ?? "UNKNOWN" };
  if (retryAfter) parts.retryMs = 1000 * Number(retryAfter) || undefined;
  try {
    const problem = JSON.parse(body) as Record<string, never>;
    const { code, reason, errors, details, trace_id: traceId, detail, title } = problem;
    return new LastmileError(detail || title || body, { ...parts, code: code || parts.code, reason, fields: errors, details, traceId });
  } catch {
    return new LastmileError(body.slice(0, 200) || `HTTP ${status}`, parts);
  }
}

/** Whatever was thrown. fetch throws a TypeError, and says nothing more, when no answer came. */
export function asError(error: unknown): LastmileError {
  if (error instanceof LastmileError) return error;
  const noAnswer = error instanceof TypeError;
  const message = noAnswer ? "The edge does not answer." : String((error as Error)?.message ?? error);
  return new LastmileError(message, { code: noAnswer ? "UNAVAILABLE" : "UNKNOWN", cause: error });
}
