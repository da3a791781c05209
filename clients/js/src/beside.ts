import { attempt } from './after.js';
import { newId, type Kept } from './store.js';
import type { TokenStorage } from './types.js';

/** As long as browsers keep a cookie, in seconds. */
const LONGEST = 34_560_000;

/**
 * A storage for a page's client in cookie mode beside `sprag-client/server`: `localStorage`, but for the retry id, which is in
 * a cookie that both can read. They ask with one refresh cookie, so an answer that one of them lost must be asked for by the
 * other under the same id. Have the server's half too: `createServer({ besidePage: true })`. Give the client's `name` to both
 * where it is not `sprag`.
 */
export function besideServer(name = 'sprag'): TokenStorage {
  const cookie = `${name}_retry=`;
  const local = (): Storage => globalThis.localStorage;
  const shared = (): string | undefined =>
    attempt(() => document.cookie.split('; ').find((each) => each.startsWith(cookie))?.slice(cookie.length)) || undefined;
  const share = (id: string, seconds: number): void => {
    const secure = globalThis.location?.protocol === 'https:' ? ';secure' : '';
    attempt(() => (document.cookie = `${cookie}${id};path=/;max-age=${seconds};samesite=lax${secure}`));
  };
  /** What was kept last, for where the storage is blocked. */
  let last: string | null = null;
  const i = newId();
  return {
    getItem(key) {
      const found = attempt(() => local().getItem(key)) ?? last;
      const r = shared();
      if (!r) return found;
      const kept = attempt(() => JSON.parse(found as string) as Kept | null) ?? { i };
      if (kept.r === r) return found;
      // Where the page knows of no session, the server of the pages has opened one since.
      return JSON.stringify({ i: kept.i, b: kept.b, s: kept.s ?? '', r });
    },
    setItem(key, value) {
      const { r, o } = JSON.parse(value) as Kept;
      if (r && r !== shared()) share(r, LONGEST);
      if (!r && o && shared()) share('', 0);
      last = value;
      local().setItem(key, value);
    },
    removeItem: (key) => local().removeItem(key),
  };
}
