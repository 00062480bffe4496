/** An invalid field: `field` is its path, such as `to[0]`. */
export interface FieldProblem {
  field: string;
  code: string;
  message: string;
}

/** Any error of this package. */
export class EmailsvcError extends Error {
  override name = "EmailsvcError";
}

/** No answer came, after all attempts. Whether the service took the request is unknown. */
export class UnreachableError extends EmailsvcError {
  override name = "UnreachableError";
}

/** The service refused the call. `code` says why, `errors` names each invalid field. */
export class ApiError extends EmailsvcError {
  override name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly errors: FieldProblem[];
  readonly requestId: string;
  /** Seconds; null if the service asks for no wait. */
  readonly retryAfter: number | null;

  constructor(status: number, problem: Record<string, unknown>, retryAfter: number | null) {
    const errors = Array.isArray(problem.errors) ? (problem.errors as FieldProblem[]) : [];
    const fields = errors.filter((each) => each.field).map((each) => `${each.field}: ${each.message}`);
    super(`${status} ${problem.code ?? ""}: ${fields.join("; ") || problem.detail || "no details"}`.replace(" :", ":"));
    this.status = status;
    this.code = String(problem.code ?? "");
    this.errors = errors;
    this.requestId = String(problem.request_id ?? "");
    this.retryAfter = retryAfter;
  }
}

/** The error that an answer means. A proxy answers with a page of its own: then there is only the status. */
export async function readError(response: Response): Promise<ApiError> {
  const text = await response.text();
  let problem: Record<string, unknown> = { detail: response.statusText };
  try {
    const found: unknown = JSON.parse(text);
    if (found && typeof found === "object" && "code" in found) problem = found as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const asked = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return new ApiError(response.status, problem, Number.isFinite(asked) ? Math.max(0, asked) : null);
}
