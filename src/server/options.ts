/** How a server is started, from the command line and the environment. */
export interface ServeOptions {
  readonly data: string;
  readonly port: number;
  /** A settings file; null for the defaults. */
  readonly config: string | null;
  /** When the server stops, what it runs stops too. */
  readonly stopWorkloads: boolean;
}
