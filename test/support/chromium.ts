import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext } from "playwright-core";

const candidates = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** The browser of this machine; null without one. */
export const chromiumPath: string | null = candidates.find((path) => path && existsSync(path)) ?? null;

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export interface Browser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** A browser with nothing remembered; `close` removes what it wrote. */
export async function openChromium(options: { javaScriptEnabled?: boolean } = {}): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), "waybill-chromium-"));
  const executablePath = chromiumPath ?? "chromium";
  const context = await chromium.launchPersistentContext(folder, {
    executablePath,
    headless: true,
    args: flags,
    ...options,
  });
  context.setDefaultTimeout(10_000);
  return {
    context,
    close: async () => {
      await context.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
