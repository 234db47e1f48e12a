import type { Page } from "playwright-core";
import { listen, type Listening } from "../../src/http/listen.ts";
import { chromiumPath, openChromium, type Browser } from "./chromium.ts";
import type { World } from "./fake-release.ts";
import { makeTestApp, type Person, type TestApp } from "./http-app.ts";
import { sampleWorld } from "./sample-world.ts";

/** Why there are no visits; false where there are. */
export const noVisits = chromiumPath === null ? "no Chromium on this machine: set CHROMIUM to its path" : false;

export interface Visit {
  readonly app: TestApp;
  readonly page: Page;
  readonly url: string;
  /** What the browser complained about: a blocked script, a style refused, a request to elsewhere. */
  readonly complaints: readonly string[];
}

interface VisitOptions {
  readonly world?: World;
  /** By a browser that runs no script. */
  readonly isScriptless?: boolean;
}

/** Browsers, and a server of its own for each visit. Opened where there is a Chromium. */
export interface Visits {
  /** Null: nobody is signed in. */
  visit(person: Person | null, options?: VisitOptions): Promise<Visit>;
  close(): Promise<void>;
}

export async function openVisits(): Promise<Visits> {
  const [browser, scriptless] = await Promise.all([openChromium(), openChromium({ javaScriptEnabled: false })]);
  const opened: { app: TestApp; server: Listening }[] = [];
  return {
    async visit(person, { world = sampleWorld(), isScriptless = false } = {}) {
      const from: Browser = isScriptless ? scriptless : browser;
      const reserve = await listen(makeTestApp().app, { port: 0, hostname: "127.0.0.1" });
      await reserve.close();
      const url = `http://localhost:${reserve.port}`;
      const app = makeTestApp({ world, publicUrl: url });
      const server = await listen(app.app, { port: reserve.port, hostname: "127.0.0.1", graceMs: 100 });
      opened.push({ app, server });
      await from.context.clearCookies();
      if (person) await from.context.addCookies([{ name: "session", value: person, url }]);
      const page = await from.context.newPage();
      return { app, page, url, complaints: complaintsOf(page, url) };
    },
    async close() {
      await Promise.all([browser.close(), scriptless.close()]);
      for (const { app, server } of opened) {
        app.stop();
        await server.close();
      }
    },
  };
}

function complaintsOf(page: Page, url: string): readonly string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== url) complaints.push(`asked for ${request.url()}`);
  });
  return complaints;
}
