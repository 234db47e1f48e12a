import { WaybillError } from "../../../core/errors.ts";
import type { Archives } from "./archives.ts";
import { runStartOf, type RunStart, type SourceUrls } from "./signature.ts";

interface EndpointParts {
  readonly archives: Pick<Archives, "read" | "store">;
  readonly urls: Pick<SourceUrls, "verify">;
  /** Takes what a run has left. */
  readonly receive: (start: RunStart, body: ReadableStream<Uint8Array>) => Promise<void>;
}

/** Serves `/source/REPOSITORY/KEY.tar.gz` to pods, which read what they run; builds and runs bring what they made. */
export function makeSourceEndpoint({ archives, urls, receive }: EndpointParts) {
  return {
    async handle(request: Request, repository: string, file: string): Promise<Response> {
      const key = file.replace(/\.tar\.gz$/, "");
      const { searchParams } = new URL(request.url);
      if (request.method === "PUT") {
        urls.verify({ method: "PUT", repository, key }, searchParams);
        if (request.body === null) throw new WaybillError("REQUEST_INVALID", "what is brought has no bytes");
        const start = runStartOf(key);
        await (start ? receive(start, request.body) : archives.store(key, request.body));
        return new Response(null, { status: 204 });
      }
      urls.verify({ method: "GET", repository, key }, searchParams);
      const { sizeBytes, body } = await archives.read(repository, key);
      const headers = { "content-type": "application/gzip", "content-length": String(sizeBytes) };
      return new Response(body, { headers });
    },
  };
}
