import { lstatSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { WaybillError } from "../core/errors.ts";

interface Link {
  readonly source: string;
  readonly target: string;
}

/**
 * Makes the links between shared libraries that npm packages cannot hold. The package's own install script does the
 * same, but npm 12 runs no install script unless asked to.
 */
export function linkLibraries(packageFolder: string): void {
  for (const { source, target } of linksOf(packageFolder)) {
    const path = join(packageFolder, target);
    if (isThere(path)) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (cause) {
      // Another server that starts at the same moment.
      if ((cause as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw new WaybillError(
        "DATABASE_UNAVAILABLE",
        `${path}, a link to ${basename(source)}, cannot be made: install Waybill again as the user that runs it or with npm's --allow-scripts, or set DATABASE_URL to a PostgreSQL 14 or later`,
        { cause },
      );
    }
  }
}

/** Platforms whose libraries need no links have no list. */
function linksOf(packageFolder: string): readonly Link[] {
  try {
    return JSON.parse(readFileSync(join(packageFolder, "native", "pg-symlinks.json"), "utf8")) as Link[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
