import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../core/identity.ts";
import { Layout } from "../pages/layout.tsx";
import { Problem } from "./sign-in.tsx";

interface AccountProps {
  readonly visitor: Identity;
  /** Right after a one-time link. */
  readonly isWelcome: boolean;
  readonly problem: string | null;
}

export function Account({ visitor, isWelcome, problem }: AccountProps): JSX.Element {
  return (
    <Layout title="Your account" visitor={visitor}>
      <div class="door">
        <h1>{isWelcome ? `Welcome, ${visitor.name}` : visitor.name}</h1>
        {visitor.kind === "token" ? (
          <p class="lead">You are signed in with a token, which has no password.</p>
        ) : (
          <>
            <p class="lead">
              {isWelcome ? "The link was for this once. With a password you can come back." : "Choose a new password."}
            </p>
            <Problem text={problem} />
            <form method="post" action="/account/password">
              <input type="hidden" name="username" autocomplete="username" value={visitor.name} />
              <label>
                New password
                <input name="password" type="password" autocomplete="new-password" minlength={12} required autofocus />
              </label>
              <p class="hint">At least 12 characters.</p>
              <button class="main" type="submit">
                Keep this password
              </button>
            </form>
          </>
        )}
        <p>
          <a href="/">{isWelcome ? "Later, show me the deployments" : "All deployments"}</a>
        </p>
      </div>
    </Layout>
  );
}
