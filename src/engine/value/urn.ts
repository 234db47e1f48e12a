const rootStackType = "pulumi:pulumi:Stack";

export interface UrnParts {
  readonly stack: string;
  readonly project: string;
  /** Types of the parents and then the resource's own, joined by `$`. */
  readonly qualifiedType: string;
  readonly name: string;
}

/** `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`; a name may itself hold `::`. */
export function parseUrn(urn: string): UrnParts {
  const [stack = "", project = "", qualifiedType = "", ...name] = urn.replace(/^urn:pulumi:/, "").split("::");
  return { stack, project, qualifiedType, name: name.join("::") };
}

interface UrnFields {
  readonly stack: string;
  readonly project: string;
  readonly type: string;
  readonly name: string;
  /** URN of the parent, empty for none. */
  readonly parent: string;
}

/** The root stack is everyone's parent and left out of the type. */
export function makeUrn({ stack, project, type, name, parent }: UrnFields): string {
  const parentType = parent === "" ? "" : parseUrn(parent).qualifiedType;
  const qualified = parentType === "" || parentType === rootStackType ? type : `${parentType}$${type}`;
  return `urn:pulumi:${stack}::${project}::${qualified}::${name}`;
}

export const nameOf = (urn: string): string => parseUrn(urn).name;
export const typeOf = (urn: string): string => parseUrn(urn).qualifiedType.split("$").at(-1) ?? "";
export const packageOf = (type: string): string => type.split(":")[0] ?? "";

export const isStackType = (type: string): boolean => type === rootStackType;

const providerTypePrefix = "pulumi:providers:";
export const providerType = (packageName: string): string => providerTypePrefix + packageName;
export const isProviderType = (type: string): boolean => type.startsWith(providerTypePrefix);
export const packageOfProviderType = (type: string): string => type.slice(providerTypePrefix.length);

/** The engine's own providers are named `default` or `default_VERSION`, dots and such written `_` (as Pulumi does). */
export const defaultProviderName = (version: string): string =>
  version === "" ? "default" : `default_${version.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
export const isDefaultProvider = (urn: string): boolean => /^default(?:_|$)/.test(nameOf(urn));

/** `URN::ID`, the id being last. */
export function parseProviderReference(reference: string): { readonly urn: string; readonly id: string } {
  const at = reference.lastIndexOf("::");
  return { urn: reference.slice(0, at), id: reference.slice(at + 2) };
}

export interface AliasSpec {
  readonly name: string;
  readonly type: string;
  readonly stack: string;
  readonly project: string;
  /** URN, or empty: the resource's own parent. */
  readonly parent: string;
  readonly hasNoParent: boolean;
}
interface Aliased {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  readonly aliases: readonly (string | AliasSpec)[];
}

/**
 * Every URN that a resource may have had: by its own aliases, and by those of its parent, whose type is part of the
 * child's URN and whose name often begins the child's.
 */
export function aliasUrns(resource: Aliased, aliasesOfParent: readonly string[]): readonly string[] {
  const { stack, project } = parseUrn(resource.urn);
  const own = resource.aliases.map((alias) => {
    if (typeof alias === "string") return alias;
    return makeUrn({
      stack: alias.stack || stack,
      project: alias.project || project,
      type: alias.type || resource.type,
      name: alias.name || resource.name,
      parent: alias.hasNoParent ? "" : alias.parent || resource.parent,
    });
  });
  const parentName = resource.parent === "" ? "" : nameOf(resource.parent);
  const inherited = aliasesOfParent.flatMap((parent) => {
    const inherit = (type: string, name: string): string => {
      const renamed = name.startsWith(parentName) ? nameOf(parent) + name.slice(parentName.length) : name;
      return makeUrn({ stack, project, type, name: renamed, parent });
    };
    return [inherit(resource.type, resource.name), ...own.map((urn) => inherit(typeOf(urn), nameOf(urn)))];
  });
  return [...new Set([...own, ...inherited])].filter((urn) => urn !== resource.urn);
}
