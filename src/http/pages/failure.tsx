import type { Identity } from "../../core/identity.ts";
import type { WaybillError } from "../../core/errors.ts";
import { problemDetails } from "../problem-details.ts";
import { Layout, page } from "./layout.tsx";

const titleOf: Partial<Record<number, string>> = {
  401: "Sign in first",
  403: "That is not yours to do",
  404: "There is nothing here",
  409: "That does not fit what is there",
  500: "Something broke on our side",
  503: "Not now",
};

interface FailureProps {
  readonly error: WaybillError;
  readonly visitor: Identity | null;
  readonly requestId: string;
}

export function failurePage({ error, visitor, requestId }: FailureProps): Promise<Response> {
  const { status, detail, code } = problemDetails(error, requestId);
  const title = titleOf[status] ?? "That did not work";
  return page(
    <Layout title={title} visitor={visitor}>
      <div class="failure">
        <h1>{title}</h1>
        <p class="lead">{detail}</p>
        <p class="meta">
          <code>{code}</code>, request <code>{requestId}</code>
        </p>
        <p>
          <a href="/">All deployments</a>
        </p>
      </div>
    </Layout>,
    status,
  );
}
