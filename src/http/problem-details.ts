import { errorTable, type WaybillError } from "../core/errors.ts";

/** An error as RFC 9457 problem details. A defect's own message stays in the log. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId?: string;
}

export function problemDetails(error: WaybillError, requestId: string | null): ProblemDetails {
  const isBug = error.verdict === "bug";
  return {
    type: `urn:waybill:error:${error.code}`,
    title: errorTable[error.code].summary,
    status: error.httpStatus,
    detail: isBug
      ? "something went wrong in Waybill itself; its log has the details under this request id"
      : error.message,
    code: error.code,
    ...(requestId === null ? {} : { requestId }),
  };
}

export function problemResponse(error: WaybillError, requestId: string | null): Response {
  const details = problemDetails(error, requestId);
  const response = Response.json(details, { status: details.status });
  response.headers.set("content-type", "application/problem+json");
  if (error.retryAfterMs !== undefined)
    response.headers.set("retry-after", String(Math.ceil(error.retryAfterMs / 1000)));
  // RFC 9110, section 11.6.1: a 401 names at least one challenge.
  if (details.status === 401) response.headers.set("www-authenticate", "Bearer");
  return response;
}

/** What Git shows its user: the challenge that makes it ask for a token, or one line of text. */
export function gitProblemResponse(error: WaybillError, requestId: string | null): Response {
  const details = problemDetails(error, requestId);
  const headers = new Headers({ "content-type": "text/plain; charset=utf-8" });
  if (details.status === 401)
    headers.set("www-authenticate", 'Basic realm="Waybill: any user name, a token as password"');
  return new Response(`${details.code} ${details.detail}\n`, { status: details.status, headers });
}
