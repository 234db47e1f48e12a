/** Who someone is, however they proved it. */
export interface Identity {
  /** The login name: shown as actor in snapshots, history and logs. */
  readonly name: string;
  readonly kind: "user" | "token";
  /** `admin` may do everything; `member` deploys, rolls back and reads; `viewer` only sees what access rules admit. */
  readonly role: "admin" | "member" | "viewer";
  readonly groups: readonly string[];
}
