import type { Landing } from "../../access/host-session.ts";
import type { Onward } from "../../access/sign-in.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { callbackPath, linkPath, signInPath, signOutPath } from "../../access/origin.ts";
import { Secret } from "../../core/secret.ts";
import { readForm } from "../body.ts";
import { page } from "../pages/layout.tsx";
import { seeOther, type Call, type Route } from "../route.ts";
import { accountRoutes } from "./account-routes.tsx";
import { isRefusal } from "./refusal.ts";
import { RedeemLink, SignIn } from "./sign-in.tsx";

type Form = (field: string) => string;

const open = { audience: "public", voice: "page" } as const;
const html = { status: 200, mediaType: "text/html" } as const;
const redirect = { status: 303 } as const;

/** Signing in and out, and what a person may change about themselves. */
export function doorRoutes(dependencies: HttpDependencies): readonly Route[] {
  return [
    signInPage(dependencies),
    ...signInForms(dependencies),
    ...linkRoutes(dependencies),
    ...sessionRoutes(dependencies),
    ...accountRoutes(dependencies),
  ];
}

const onwardOf = (field: (name: string) => string | null): Onward => ({
  returnTo: field("return") || null,
  state: field("state") || null,
});

const fieldsOf =
  ({ url }: Call) =>
  (name: string): string | null =>
    url.searchParams.get(name);

function go({ location, setCookie }: Landing): Response {
  const response = seeOther(location);
  for (const cookie of setCookie) response.headers.append("set-cookie", cookie);
  return response;
}

/** As the gateway says; it drops what a client claims about itself. */
const addressOf = ({ request }: Call): string =>
  request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() ?? "unknown";

const hostOf = ({ request, url }: Call): string => request.headers.get("host") ?? url.host;

const signInPage = ({ access }: HttpDependencies): Route => ({
  ...open,
  method: "GET",
  path: signInPath,
  summary: "The sign-in page",
  answer: html,
  async handle(call) {
    const onward = onwardOf(fieldsOf(call));
    const landing = await access.continueSignIn({ ...onward, cookie: call.request.headers.get("cookie") });
    return landing ? go(landing) : page(<SignIn onward={onward} problem={null} tried={null} />);
  },
});

function signInForms({ access }: HttpDependencies): readonly Route[] {
  const route = (tried: "password" | "token", signIn: (call: Call, form: Form) => Promise<Landing>): Route => ({
    ...open,
    method: "POST",
    path: tried === "password" ? signInPath : `${signInPath}/token`,
    summary: `Sign in with a ${tried}`,
    answer: redirect,
    async handle(call) {
      const form = await readForm(call.request);
      try {
        return go(await signIn(call, form));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return page(<SignIn onward={onwardOf(form)} problem={error.message} tried={tried} />, error.httpStatus);
      }
    },
  });
  return [
    route("password", (call, form) => {
      const [name, password] = [form("name").trim(), new Secret(form("password"))];
      return access.signInWithPassword({ ...onwardOf(form), name, password, address: addressOf(call) });
    }),
    route("token", (call, form) => {
      const token = new Secret(form("token").trim());
      return access.signInWithToken({ ...onwardOf(form), token, address: addressOf(call) });
    }),
  ];
}

function linkRoutes({ access }: HttpDependencies): readonly Route[] {
  const show = async (token: string, onward: Onward, problem: string | null): Promise<Response> => {
    const link = await access.inspectLink(new Secret(token));
    return page(
      <RedeemLink token={token} user={link?.user ?? null} onward={onward} problem={problem} />,
      link ? 200 : 404,
    );
  };
  return [
    {
      ...open,
      method: "GET",
      path: linkPath,
      // Mail programs and chats fetch links to preview them: looking must not use it up.
      summary: "The page of a one-time link",
      answer: html,
      handle: (call) => show(call.url.searchParams.get("token") ?? "", onwardOf(fieldsOf(call)), null),
    },
    {
      ...open,
      method: "POST",
      path: linkPath,
      summary: "Sign in by a one-time link",
      answer: redirect,
      async handle(call) {
        const form = await readForm(call.request);
        const { returnTo, state } = onwardOf(form);
        try {
          const link = new Secret(form("token"));
          return go(await access.redeemLink({ link, returnTo: returnTo ?? "/account?welcome=1", state }));
        } catch (error) {
          if (!isRefusal(error)) throw error;
          return show(form("token"), { returnTo, state }, error.message);
        }
      },
    },
  ];
}

function sessionRoutes({ access }: HttpDependencies): readonly Route[] {
  const signOut = (path: string): Route => ({
    ...open,
    method: "POST",
    path,
    summary: "Sign out",
    answer: redirect,
    handle: async (call) =>
      go(await access.signOut({ cookie: call.request.headers.get("cookie"), host: hostOf(call) })),
  });
  return [
    signOut("/sign-out"),
    signOut(signOutPath),
    {
      ...open,
      method: "GET",
      path: callbackPath,
      summary: "The end of signing in on a deployment's own host",
      answer: redirect,
      async handle(call) {
        const code = call.url.searchParams.get("code") ?? "";
        return go(await access.finishHostSession(code, hostOf(call), call.request.headers));
      },
    },
  ];
}
