import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { WaybillError } from "../../core/errors.ts";
import type { Route } from "../route.ts";

const mediaTypeOf = {
  "page.css": "text/css; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "mark.svg": "image/svg+xml",
} as const;

type AssetName = keyof typeof mediaTypeOf;

interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hash: string;
}

const assets = new Map<string, Asset>(Object.keys(mediaTypeOf).map((name) => [name, load(name)]));

function load(name: string): Asset {
  const bytes = new Uint8Array(readFileSync(new URL(name, import.meta.url)));
  return { bytes, hash: createHash("sha256").update(bytes).digest("base64url").slice(0, 12) };
}

/** Where a file of ours is served: the hash in it lets browsers keep it for good. */
export const assetPath = (name: AssetName): string => `/assets/${name}?v=${assets.get(name)?.hash ?? ""}`;

export const assetRoute: Route = {
  method: "GET",
  path: "/assets/:file",
  audience: "public",
  voice: "page",
  summary: "Style, script and symbols of the pages",
  answer: { status: 200 },
  handle(call) {
    const name = call.param("file");
    const asset = assets.get(name);
    if (!asset) throw new WaybillError("NOT_FOUND", "there is no such asset");
    const isCurrent = call.url.searchParams.get("v") === asset.hash;
    return new Response(asset.bytes, {
      headers: {
        "content-type": mediaTypeOf[name as AssetName],
        "cache-control": isCurrent ? "public, max-age=31536000, immutable" : "no-cache",
      },
    });
  },
};
