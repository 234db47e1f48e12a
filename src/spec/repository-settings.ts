/** `waybill.yaml`: which environments there are and how changes reach them. Durations in seconds. */
export interface RepositorySettings {
  readonly environments: Readonly<Record<string, EnvironmentSettings>>;
  readonly previews?: PreviewSettings;
}

export interface EnvironmentSettings {
  /** The branch that it follows; without it snapshots come by promotion or by hand. */
  readonly branch?: string;
  /** The only environment that it is promoted from. */
  readonly promoteFrom?: string;
  /** A target of the server's settings; without it the server's default. */
  readonly target?: string;
  /** How many people other than the author must approve; 0 without it. */
  readonly approvals?: number;
  /** Times at which no snapshot is applied. */
  readonly freeze?: readonly FreezeWindow[];
  /** How many revisions are kept for an instant return. */
  readonly keepRevisions?: number;
}

/** From each time that `cron` fires in `timezone`, for `durationSeconds`. */
export interface FreezeWindow {
  readonly cron: string;
  readonly durationSeconds: number;
  readonly timezone: string;
  readonly reason?: string;
}

export interface PreviewSettings {
  readonly pullRequests: boolean;
  readonly expireAfterSeconds: number;
  readonly forks: "plan" | "deploy-after-approval";
  readonly target?: string;
}

/** The settings of a repository without waybill.yaml: its default branch is `production`. */
export function defaultSettings(defaultBranch: string): RepositorySettings {
  return { environments: { production: { branch: defaultBranch } } };
}
