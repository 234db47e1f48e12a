import type { HttpDependencies } from "../dependencies.ts";
import { Secret } from "../../core/secret.ts";
import { readForm } from "../body.ts";
import { page } from "../pages/layout.tsx";
import { actorOf, seeOther, type Call, type Route } from "../route.ts";
import { Account, type AccountProps } from "./account.tsx";
import { isRefusal } from "./refusal.ts";

const own = { audience: "signed-in", voice: "page" } as const;

type Shown = Partial<Pick<AccountProps, "isWelcome" | "problem" | "made">>;

/** What people may change about themselves. */
export function accountRoutes(dependencies: HttpDependencies): readonly Route[] {
  const { access, clock } = dependencies;
  const show = async (call: Call, shown: Shown = {}, status = 200): Promise<Response> => {
    const visitor = actorOf(call);
    const all = await access.listTokens(visitor);
    const tokens = all.filter(({ owner }) => owner === visitor.name);
    const props = { visitor, tokens, now: clock.now(), isWelcome: false, problem: null, made: null, ...shown };
    return page(<Account {...props} />, status);
  };
  const orSay = async (call: Call, form: "password" | "token", act: () => Promise<Response>): Promise<Response> => {
    try {
      return await act();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return show(call, { problem: { form, text: error.message } }, error.httpStatus);
    }
  };
  return [
    {
      ...own,
      method: "GET",
      path: "/account",
      summary: "What people may change about themselves",
      answer: { status: 200, mediaType: "text/html" },
      handle: (call) =>
        show(call, { isWelcome: call.url.searchParams.has("welcome") && actorOf(call).kind === "user" }),
    },
    {
      ...own,
      method: "POST",
      path: "/account/password",
      summary: "Choose a password",
      answer: { status: 303 },
      async handle(call) {
        const [form, visitor] = [await readForm(call.request), actorOf(call)];
        return orSay(call, "password", async () => {
          await access.setPassword(visitor, visitor.name, new Secret(form("password")));
          return seeOther("/");
        });
      },
    },
    ...tokenForms(dependencies, show, orSay),
  ];
}

function tokenForms(
  { access }: HttpDependencies,
  show: (call: Call, shown?: Shown) => Promise<Response>,
  orSay: (call: Call, form: "token", act: () => Promise<Response>) => Promise<Response>,
): readonly Route[] {
  return [
    {
      ...own,
      method: "POST",
      path: "/account/tokens",
      summary: "Make a token; it is shown this once",
      answer: { status: 200, mediaType: "text/html" },
      async handle(call) {
        const form = await readForm(call.request);
        return orSay(call, "token", async () => {
          const { token, secret } = await access.createToken(actorOf(call), { name: form("name").trim() });
          return show(call, { made: { name: token.name, secret: secret.reveal() } });
        });
      },
    },
    {
      ...own,
      method: "POST",
      path: "/account/tokens/:id/revoke",
      summary: "Revoke a token",
      answer: { status: 303 },
      async handle(call) {
        await access.revokeToken(actorOf(call), call.param("id"));
        return seeOther("/account");
      },
    },
  ];
}
