import type { JSX } from "hono/jsx/jsx-runtime";
import type { Onward } from "../../access/sign-in.ts";
import { linkPath, signInPath } from "../../access/origin.ts";
import { Layout } from "../pages/layout.tsx";

interface SignInProps {
  readonly onward: Onward;
  /** What was wrong with the last try. */
  readonly problem: string | null;
  readonly tried: "password" | "token" | null;
}

const OnwardFields = ({ onward: { returnTo, state } }: { onward: Onward }): JSX.Element => (
  <>
    {returnTo !== null && <input type="hidden" name="return" value={returnTo} />}
    {state !== null && <input type="hidden" name="state" value={state} />}
  </>
);

export function Problem({ text }: { text: string | null }): JSX.Element {
  if (text === null) return <></>;
  return (
    <p class="problem" role="alert">
      {text}
    </p>
  );
}

export function SignIn({ onward, problem, tried }: SignInProps): JSX.Element {
  return (
    <Layout title="Sign in" visitor={null}>
      <div class="door">
        <h1>Sign in</h1>
        {onward.returnTo !== null && onward.state !== null && (
          <p class="lead">This address is for people who are signed in.</p>
        )}
        {tried !== "token" && <Problem text={problem} />}
        <form method="post" action={signInPath}>
          <OnwardFields onward={onward} />
          <label>
            Name
            <input
              name="name"
              autocomplete="username"
              autocapitalize="none"
              spellcheck={false}
              required
              autofocus={tried !== "token"}
            />
          </label>
          <label>
            Password
            <input name="password" type="password" autocomplete="current-password" required />
          </label>
          <button class="main" type="submit">
            Sign in
          </button>
        </form>
        <details open={tried === "token"}>
          <summary>Sign in with a token</summary>
          {tried === "token" && <Problem text={problem} />}
          <form method="post" action={`${signInPath}/token`}>
            <OnwardFields onward={onward} />
            <label>
              Token
              <input
                name="token"
                type="password"
                autocomplete="off"
                spellcheck={false}
                required
                autofocus={tried === "token"}
              />
            </label>
            <button class="main" type="submit">
              Sign in with the token
            </button>
          </form>
        </details>
        <p class="hint">
          No account yet? The first administrator signs in by the one-time link that <code>waybill serve</code> prints,
          everybody else by the link of an invitation.
        </p>
      </div>
    </Layout>
  );
}

interface RedeemProps {
  readonly token: string;
  /** For whom the link is; null when it is no longer good. */
  readonly user: string | null;
  readonly onward: Onward;
  readonly problem: string | null;
}

export function RedeemLink({ token, user, onward, problem }: RedeemProps): JSX.Element {
  return (
    <Layout title="Sign in" visitor={null}>
      <div class="door">
        <h1>{user === null ? "This link is used up" : `Welcome, ${user}`}</h1>
        <Problem text={problem} />
        {user === null ? (
          <>
            <p class="lead">It was used already, or is too old: a link works once. Ask for a new one.</p>
            <p>
              <a href={signInPath}>Sign in another way</a>
            </p>
          </>
        ) : (
          <form method="post" action={linkPath}>
            <p class="lead">This link signs you in once.</p>
            <OnwardFields onward={onward} />
            <input type="hidden" name="token" value={token} />
            <button class="main" type="submit">
              Sign in as {user}
            </button>
          </form>
        )}
      </div>
    </Layout>
  );
}
