import type { JSX } from "hono/jsx/jsx-runtime";
import type { Token } from "../../access/account.ts";
import type { Identity } from "../../core/identity.ts";
import { Layout } from "../pages/layout.tsx";
import { Moment } from "../pages/moment.tsx";
import { Problem } from "./sign-in.tsx";

export interface AccountProps {
  readonly visitor: Identity;
  /** Of this person; somebody else's are an administrator's business, by the command line. */
  readonly tokens: readonly Token[];
  readonly now: Date;
  /** Right after a one-time link. */
  readonly isWelcome: boolean;
  /** What was wrong with the last form. */
  readonly problem: { readonly form: "password" | "token"; readonly text: string } | null;
  /** A token just made: shown this once. */
  readonly made: { readonly name: string; readonly secret: string } | null;
}

export function Account(props: AccountProps): JSX.Element {
  const { visitor, isWelcome } = props;
  return (
    <Layout title="Your account" visitor={visitor}>
      <div class="door">
        <h1>{isWelcome ? `Welcome, ${visitor.name}` : visitor.name}</h1>
        {!isWelcome && <Tokens {...props} />}
        {visitor.kind === "user" && <Password {...props} />}
        <p>
          <a href="/">{isWelcome ? "Later. Show me the deployments" : "All deployments"}</a>
        </p>
      </div>
    </Layout>
  );
}

function Password({ visitor, isWelcome, problem }: AccountProps): JSX.Element {
  return (
    <section aria-labelledby="password-title">
      {isWelcome && <p class="lead">The link was for this once. With a password you can come back.</p>}
      <h2 id="password-title" class={isWelcome ? "unseen" : undefined}>
        Password
      </h2>
      <form method="post" action="/account/password">
        {problem?.form === "password" && <Problem text={problem.text} />}
        {/* Tells a password manager whose password it is. */}
        <input
          class="unseen"
          name="username"
          autocomplete="username"
          value={visitor.name}
          readonly
          tabindex={-1}
          aria-hidden="true"
        />
        <label>
          New password
          <input
            name="password"
            type="password"
            autocomplete="new-password"
            minlength={12}
            required
            autofocus={isWelcome}
            aria-describedby="password-hint"
          />
        </label>
        <p class="hint" id="password-hint">
          At least 12 characters.
        </p>
        <button class="main" type="submit">
          Keep this password
        </button>
      </form>
    </section>
  );
}

function Tokens({ tokens, problem, made, now }: AccountProps): JSX.Element {
  return (
    <section aria-labelledby="tokens-title">
      <h2 id="tokens-title">Tokens</h2>
      {made && (
        <div class="made" role="status">
          <p>
            The token <strong>{made.name}</strong>, shown this once:
          </p>
          <pre tabindex={0}>
            <code>{made.secret}</code>
          </pre>
        </div>
      )}
      <form method="post" action="/account/tokens">
        {problem?.form === "token" && <Problem text={problem.text} />}
        <label>
          What is it for?
          <input
            name="name"
            maxlength={64}
            required
            autocomplete="off"
            autocapitalize="none"
            placeholder="my-laptop"
            aria-describedby="token-hint"
          />
        </label>
        <p class="hint" id="token-hint">
          Git takes it as password with any name, <code>waybill login</code> asks for it, programs send it as{" "}
          <code>Authorization: Bearer</code>.
        </p>
        <button class="main" type="submit">
          Make a token
        </button>
      </form>
      {tokens.length > 0 && (
        <ul class="rows">
          {tokens.map((token) => (
            <TokenRow token={token} now={now} />
          ))}
        </ul>
      )}
    </section>
  );
}

function TokenRow({ token: { id, name, role, lastUsedAt }, now }: { token: Token; now: Date }): JSX.Element {
  return (
    <li>
      <span>
        <strong>{name}</strong>{" "}
        <span class="hint">
          {role}, {lastUsedAt === null ? "never used" : <Moment at={lastUsedAt.toISOString()} now={now} />}
        </span>
      </span>
      <form method="post" action={`/account/tokens/${id}/revoke`}>
        <button class="quiet" type="submit">
          Revoke<span class="unseen"> {name}</span>
        </button>
      </form>
    </li>
  );
}
