/** The one shape of every failure the console shows: RFC 9457 problem details as the edge writes them. */

export interface FieldError {
  field: string;
  message: string;
}

export class Problem extends Error {
  /** HTTP status; 0 when no answer came at all. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly code: string;
  readonly reason: string;
  readonly errors: FieldError[];
  readonly traceId: string;

  constructor(value: unknown, status: number) {
    const fields = isRecord(value) ? value : {};
    const title = text(fields.title) || `HTTP ${status}`;
    const detail = text(fields.detail);
    super(detail || title);
    this.status = typeof fields.status === "number" ? fields.status : status;
    this.title = title;
    this.detail = detail;
    this.code = text(fields.code);
    this.reason = text(fields.reason);
    this.errors = Array.isArray(fields.errors) ? fields.errors.filter(isRecord).map(fieldError) : [];
    this.traceId = text(fields.trace_id);
  }

  /** Asking again with the same request and the same identity cannot help. */
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && this.status !== 408 && this.status !== 429;
  }

  /** What is wrong with one field of the request, if the answer names it. */
  of(field: string): string {
    return this.errors.find((error) => error.field === field)?.message ?? "";
  }
}

export async function readProblem(response: Response): Promise<Problem> {
  const body = await response.text().catch(() => "");
  try {
    return new Problem(JSON.parse(body), response.status);
  } catch {
    // Not from the edge: a proxy in between answered in its own words.
    return new Problem({ title: response.statusText, detail: body.slice(0, 200) }, response.status);
  }
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  // fetch rejects with a TypeError, and says nothing more, whenever no answer came.
  if (error instanceof TypeError) {
    return new Problem({ title: "No answer", detail: "The edge does not answer. Is it still running?" }, 0);
  }
  return new Problem({ title: "Unexpected failure", detail: String(error) }, 0);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fieldError(value: Record<string, unknown>): FieldError {
  return { field: text(value.field), message: text(value.message) };
}
