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

/** What an error says besides its message. */
export type ErrorParts = Partial<Pick<LastmileError, keyof typeof NOTHING | "retryMs" | "cause">>;

const NOTHING = {
  code: "UNKNOWN" as Code,
  status: 0,
  reason: "",
  fields: [] as readonly FieldViolation[],
  details: [] as readonly Detail[],
  traceId: "",
  answered: false,
};

/** A call or a stream failed. */
export class LastmileError extends Error {
  declare readonly code: Code;
  /** HTTP status; 0 when no answer came, or when there is none (in a stream). */
  declare readonly status: number;
  /** Why, as a name that code can compare: see the edge's `/.well-known/lastmile/reasons`. */
  declare readonly reason: string;
  /** What is wrong with the fields of the request. */
  declare readonly fields: readonly FieldViolation[];
  declare readonly details: readonly Detail[];
  /** Finds the call in traces and logs. */
  declare readonly traceId: string;
  /** When to ask again, in milliseconds, if the edge says so. */
  declare readonly retryMs: number | undefined;
  /** An edge has said so; else nobody answered, or something on the way to it. */
  declare readonly answered: boolean;

  constructor(message: string, parts: ErrorParts = {}) {
    super(message);
    Object.assign(this, { name: "LastmileError", ...NOTHING, ...parts });
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
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "UNAVAILABLE",
};

/** A problem body, also that of `lm-error`; anything else is told as it is. */
export function fromProblem(body: string, status = 0, retryAfter: string | null = null): LastmileError {
  const parts = { status, code: BY_STATUS[status] ?? "UNKNOWN", retryMs: Number(retryAfter) * 1000 || undefined };
  try {
    const { code, reason = "", errors: fields = [], details = [], trace_id: traceId = "", detail, title } = JSON.parse(body) as Problem;
    return new LastmileError(detail || title || body, { ...parts, ...(code && { code }), reason, fields, details, traceId, answered: !!code });
  } catch {
    return new LastmileError(body.slice(0, 200) || `HTTP ${status}`, parts);
  }
}

interface Problem {
  code?: Code;
  reason?: string;
  errors?: FieldViolation[];
  details?: Detail[];
  trace_id?: string;
  detail?: string;
  title?: string;
}

/** Whatever was thrown. fetch throws a TypeError, and says nothing more, when no answer came. */
export function asError(error: unknown): LastmileError {
  if (error instanceof LastmileError) return error;
  const noAnswer = error instanceof TypeError;
  const message = noAnswer ? "The edge does not answer." : String((error as Error)?.message ?? error);
  return new LastmileError(message, { code: noAnswer ? "UNAVAILABLE" : "UNKNOWN", cause: error });
}
