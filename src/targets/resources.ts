import type { Provider } from "../engine/provider.ts";

/** A package's provider with further resources, by their type. */
export function withResources(provider: Provider, byType: Readonly<Record<string, Provider>>): Provider {
  const of = (type: string): Provider => byType[type] ?? provider;
  return {
    diff: async (request) => (await of(request.type).diff?.(request)) ?? { changes: false },
    create: async (request) => of(request.type).create(request),
    find: async (request) => (await of(request.type).find?.(request)) ?? null,
    async read(request) {
      const known = { id: request.id, outputs: request.outputs, inputs: request.inputs };
      const found = of(request.type);
      return found.read ? found.read(request) : known;
    },
    update: async (request) => of(request.type).update(request),
    delete: async (request) => of(request.type).delete(request),
    rewrites: (type) => of(type).rewrites?.(type) === true,
  };
}
