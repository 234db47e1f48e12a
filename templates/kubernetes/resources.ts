import * as pulumi from "@pulumi/pulumi";
import type { MadeSource } from "../../src/targets/kubernetes/sources/made-source.ts";

/** An archive that pods fetch: a tree with files over it, or what a build made of it. Kept by the server. */
export class Source extends pulumi.CustomResource {
  declare readonly key: pulumi.Output<string>;

  constructor(name: string, { stack, ...args }: MadeSource, options?: pulumi.CustomResourceOptions) {
    super("waybill:kubernetes:Source", name, { ...args, stack: { ...stack }, key: undefined }, options);
  }
}
