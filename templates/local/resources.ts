import * as pulumi from "@pulumi/pulumi";

/** What the local target can make: files, running programs, and host names. Served by the server itself. */

export interface StackArgs {
  readonly repository: string;
  readonly environment: string;
  readonly deployment: string;
}

export interface SourceArgs {
  readonly stack: StackArgs;
  /** A Git tree id. */
  readonly tree: string;
  readonly workingDir: string;
  /** A shell command, run once per tree. */
  readonly build: string | null;
  /** The build's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, { readonly content: string; readonly mode: string }>>;
  /** A folder that must be there once it is built; null for none. */
  readonly published: string | null;
}

/** A source tree on this machine: built, read-only, shared by all that ask for the same. */
export class Source extends pulumi.CustomResource {
  declare readonly key: pulumi.Output<string>;
  declare readonly folder: pulumi.Output<string>;

  constructor(name: string, args: SourceArgs, options?: pulumi.CustomResourceOptions) {
    super("waybill:local:Source", name, { ...args, key: undefined, folder: undefined }, options);
  }
}

export interface ProcessArgs {
  readonly stack: StackArgs;
  readonly kind: "service" | "worker";
  /** A Source's key. */
  readonly source: pulumi.Input<string>;
  readonly workingDir: string;
  readonly startScript: string | null;
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly { name: string; version: number; env?: string; file?: string }[];
  /** The main port first; each is bound to a free port of this machine. */
  readonly ports: readonly number[];
  readonly health: { path: string | null; timeoutSeconds: number; protocol: "http" | "grpc" } | null;
  readonly startTimeoutSeconds: number;
  readonly stopTimeoutSeconds: number;
  /** Another value is another process. */
  readonly restart: string | null;
}

/** A running program. Never changed: a difference starts another one beside it, which must answer first. */
export class Process extends pulumi.CustomResource {
  declare readonly hostname: pulumi.Output<string>;
  /** The main port on this machine. */
  declare readonly port: pulumi.Output<number>;
  /** Ports on this machine by the port in the file. */
  declare readonly bound: pulumi.Output<Record<string, number>>;

  constructor(name: string, args: ProcessArgs, options?: pulumi.CustomResourceOptions) {
    super("waybill:local:Process", name, { ...args, hostname: undefined, port: undefined, bound: undefined }, options);
  }
}

export interface RouteArgs {
  readonly stack: StackArgs;
  /** The host's first label. */
  readonly host: string;
  readonly upstream: pulumi.Input<
    | { kind: "http"; hostname: pulumi.Input<string>; port: pulumi.Input<number>; protocol: "http" | "grpc" }
    | {
        kind: "pods";
        target: string;
        namespace: string;
        service: string;
        port: number;
        protocol: "http" | "grpc";
        /** Differs between any two revisions. */
        revision: string;
      }
    | { kind: "files"; folder: pulumi.Input<string>; spa: boolean }
    | { kind: "none"; reason: string }
  >;
  readonly access: { visibility: string; viewers: readonly string[]; public: readonly string[] };
  /** Absent: what it leads to never sleeps. */
  readonly idle?: { readonly afterSeconds: number; readonly startTimeoutSeconds: number };
}

/** A host name, who may pass, and where requests go. Changed in place. */
export class Route extends pulumi.CustomResource {
  constructor(name: string, args: RouteArgs, options?: pulumi.CustomResourceOptions) {
    super("waybill:local:Route", name, { ...args }, options);
  }
}
