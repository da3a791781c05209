import { attempt } from './after.js';
import type { TokenStorage } from './types.js';

/**
 * A storage for a page's client in cookie mode beside `sprag-client/server`: `localStorage`, but for the retry id, which is in
 * a cookie that both can read. They ask with one refresh cookie, so an answer that one of them lost must be asked for by the
 * other under the same id. This is the page's half: `sprag-client/server` does not read that cookie yet, so until it does, let
 * only one of the two refresh (docs/guide/client/next.md). Give the client's `name` where it is not `sprag`.
 */
export function besideServer(name = 'sprag'): TokenStorage {
  const local = (): Storage => globalThis.localStorage;
  const shared = (): string | undefined =>
    attempt(() => new RegExp(`(?:^|; )${name}_retry=([\\w-]{16,})`).exec(document.cookie)?.[1]);
  return {
    getItem(key) {
      const found = local().getItem(key);
      const r = shared();
      const kept = attempt(() => JSON.parse(found as string) as { r?: string } | null);
      return r && kept?.r ? JSON.stringify({ ...kept, r }) : found;
    },
    setItem(key, value) {
      local().setItem(key, value);
      const { r } = JSON.parse(value) as { r?: string };
      const secure = globalThis.location?.protocol === 'https:' ? ';secure' : '';
      if (r && r !== shared()) attempt(() => (document.cookie = `${name}_retry=${r};path=/;max-age=34560000;samesite=lax${secure}`));
    },
    removeItem: (key) => local().removeItem(key),
  };
}
