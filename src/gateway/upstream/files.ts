import { createHash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, sep } from "node:path";
import send from "send";

export interface FilesUpstream {
  readonly folder: string;
  /** Paths that name no file are answered with /index.html, for applications that route in the browser. */
  readonly spa: boolean;
}

export interface FileRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Without the query, as it was sent. */
  readonly path: string;
  readonly isPublic: boolean;
}

/** Answers with a file below the folder, or with false when there is none to answer with. Nothing was sent then. */
export async function sendFile({ folder, spa }: FilesUpstream, file: FileRequest): Promise<boolean> {
  const root = await realpath(folder).catch(() => null);
  if (root === null) return false;
  const found = await locate(root, file.path);
  if (found?.kind === "folder") return redirectToSlash(file);
  if (found !== null) return stream(root, found.path, file);
  const index = spa && acceptsHtml(file.request) ? await locate(root, "/index.html") : null;
  return index?.kind === "file" ? stream(root, index.path, file) : false;
}

const acceptsHtml = ({ headers }: IncomingMessage): boolean => (headers.accept ?? "").includes("text/html");

/** `path` is below the root, with `/` between its segments; a folder is one that was asked for without its slash. */
type Located = { readonly kind: "file"; readonly path: string } | { readonly kind: "folder" };

async function locate(root: string, path: string): Promise<Located | null> {
  const segments = segmentsOf(path);
  if (segments === null) return null;
  const wanted = await realpath(join(root, ...segments)).catch(() => null);
  // A link may point elsewhere within the folder, never out of it.
  if (wanted === null || (wanted !== root && !wanted.startsWith(root + sep))) return null;
  const kind = await stat(wanted);
  if (kind.isFile()) return path.endsWith("/") ? null : { kind: "file", path: `/${segments.join("/")}` };
  if (!kind.isDirectory()) return null;
  const index = await realpath(join(wanted, "index.html")).catch(() => null);
  if (index === null || !index.startsWith(root + sep) || !(await stat(index)).isFile()) return null;
  return path.endsWith("/") ? { kind: "file", path: `/${[...segments, "index.html"].join("/")}` } : { kind: "folder" };
}

/** Null for a path that climbs, hides, or cannot be decoded. */
function segmentsOf(path: string): string[] | null {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return null;
  }
  if (/[\0\\]/.test(decoded)) return null;
  const segments = decoded.split("/").filter((segment) => segment !== "");
  // RFC 8615: what lies there is meant to be found.
  const hidden = segments.filter((segment, at) => segment.startsWith(".") && !(at === 0 && segment === ".well-known"));
  return hidden.length > 0 ? null : segments;
}

function redirectToSlash({ request, response, path }: FileRequest): true {
  const query = (request.url ?? "").split("?").slice(1).join("?");
  // Several leading slashes would be read as another host.
  const location = `/${path.replace(/^\/+/, "")}/${query === "" ? "" : `?${query}`}`;
  response.writeHead(301, { Location: location, "Content-Length": "0" }).end();
  return true;
}

function stream(root: string, found: string, { request, response, isPublic }: FileRequest): Promise<true> {
  return new Promise((resolve) => {
    response.once("close", () => resolve(true));
    response.setHeader("Cache-Control", isPublic ? "public, max-age=0" : "private, max-age=0");
    // Trees made from Git have no times worth telling, and one folder holds one tree for ever: its name is the version.
    const tag = createHash("sha256").update(`${root}\0${found}`);
    send(request, encodeURI(found).replaceAll(/[?#]/g, encodeURIComponent), {
      root,
      index: false,
      // Judged above, where .well-known is known.
      dotfiles: "allow",
      lastModified: false,
      cacheControl: false,
    })
      .on("file", (_: string, { size, mtimeMs }: { size: number; mtimeMs: number }) => {
        response.setHeader("ETag", `"${tag.update(`\0${size}\0${mtimeMs}`).digest("base64url").slice(0, 27)}"`);
      })
      .pipe(response);
  });
}
