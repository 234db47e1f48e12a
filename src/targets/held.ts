import type { Lease } from "../core/lease.ts";
import type { Provider } from "../engine/provider.ts";

/** Changes the world only while this server may: it may have stood still since the engine noted what it is about to do. */
export function whileHeld(provider: Provider, lease: Pick<Lease, "confirm">): Provider {
  return {
    ...provider,
    async create(request) {
      if (!request.preview) await lease.confirm();
      return provider.create(request);
    },
    async update(request) {
      if (!request.preview) await lease.confirm();
      return provider.update(request);
    },
    async delete(request) {
      await lease.confirm();
      return provider.delete(request);
    },
  };
}
