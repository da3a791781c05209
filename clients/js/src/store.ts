import { after, parsed, quiet, within } from './after.js';
import { readToken } from './token.js';
import type { SignedOut, TokenStorage } from './types.js';

/** All that is kept, under one key, so that it changes in one piece. Members are short: some storages are cookies. */
export interface Kept {
  /** The client's instance: random, one for each browser profile or install; outlives log-out. */
  readonly i: string;
  /** The session's id, or '' where nobody named it. Present while there is a session. */
  readonly s?: string;
  /** The refresh token, in body mode. */
  readonly t?: string | undefined;
  /** The retry id of the next refresh: of this token, or in cookie mode until an answer was read. */
  readonly r?: string | undefined;
  /** In cookie mode how often that id was sent since an answer was read; 2 where one request was not answered. */
  readonly n?: number | undefined;
  /**
   * In cookie mode since when that id is kept although an answer was read: it was sent more than once, and the answer may have
   * been to the later request. The earlier one may still be on its way, and turn the session with an answer that nobody reads.
   */
  readonly q?: number | undefined;
  /** How many answers it was kept after. */
  readonly c?: number | undefined;
  /** What the session is known by where its retry id is kept: another one after each answer. */
  readonly m?: string | undefined;
  /** Why there is no session. */
  readonly o?: SignedOut;
  /** Since when an action is under way that replaces the session, with a random fraction by which it is known. */
  readonly b?: number | undefined;
  /** In cookie mode a log-out that the server is still to be told: the retry id of the session that it ends. */
  readonly l?: string | undefined;
}

/** How long an action can take, all its tries included, in milliseconds: a mark that is older was left behind. */
export const HELD = 27_000;

/** Whether an action is under way that replaces the session. */
export const isBusy = ({ b }: Kept): boolean => Math.abs(Date.now() - (b ?? -HELD)) < HELD;

/** How long a storage may think, in milliseconds: one that hangs is as good as none. */
const PATIENCE = 2_000;

/** 128 random bits. Not `randomUUID`, which pages without https do not have. */
export const newId = (): string => hex(crypto.getRandomValues(new Uint8Array(16)));

export const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => (byte + 256).toString(16).slice(1)).join('');

/** Whether the one is a newer token of the same session than the other. */
export const isNewer = (one: string | undefined, other: string | undefined): boolean => {
  const [a, b] = [readToken(one), readToken(other)];
  return !!a && a.session === b?.session && a.generation > b.generation;
};

type Raw = string | null | undefined;

export interface Store {
  /** What was last seen. */
  readonly last: Kept;
  /** Puts what `change` makes of what is kept in its place; nothing where that is undefined. */
  update(change?: (kept: Kept) => Kept | undefined | void | false): Promise<Kept>;
  /** Takes what another tab says is kept. */
  take(raw: string): Kept;
}

/** What is kept, in the storage and in memory: where the storage is blocked, memory has to do. */
export function openStore(storage: TokenStorage | undefined, key: string, importFrom?: string): Store {
  let last: Kept = { i: newId() };
  /** What the storage still holds after it took no write: older than what is in memory. */
  let stale: Raw;
  let queue: Promise<unknown> | undefined;

  /** Asks the storage; undefined where there is none, or it throws or hangs. */
  const ask = (call: (storage: TokenStorage) => unknown): Promise<Raw> =>
    within((async () => storage && (((await call(storage)) ?? null) as Raw))(), undefined, PATIENCE).catch(quiet) as Promise<Raw>;

  const get = (from = key): Promise<Raw> => ask((storage) => storage.getItem(from));

  const write = async (kept: Kept): Promise<void> => {
    last = kept;
    const put = (storage: TokenStorage): unknown => storage.setItem(key, JSON.stringify(kept));
    const written = await ask(async (storage) => {
      try {
        await put(storage);
      } catch {
        // It may be full. The token of before must not stay: shown after newer ones, it would look stolen.
        await storage.removeItem(key);
        await put(storage);
      }
    });
    if (written === undefined) stale = await get();
  };

  const take = (raw: Raw): Kept => {
    if (raw === undefined || raw === stale) return last;
    // What has no instance is not ours; nor is it where there is nothing.
    const found = parsed(raw as string) as Kept | undefined;
    if (found?.i && !isNewer(last.t, found.t)) {
      stale = undefined;
      return (last = found);
    }
    // Cleared or evicted, which is no log-out (that leaves its cause behind), or overwritten with an older token.
    if (last.r) void write(last);
    return last;
  };

  return {
    get last() {
      return last;
    },
    take,
    // One after the other, so that nothing that is being written is taken for another tab's.
    update: (change = quiet) =>
      (queue = (async (before) => {
        await before?.catch(quiet);
        const raw = await get();
        const bare = raw === null && importFrom && !last.r && (await get(importFrom));
        if (bare) {
          await write({ ...last, s: '', t: bare, r: newId() });
          // Several tabs may open at once: all ask by what was written last.
          await after(100);
          take(await get());
        } else take(raw);
        const next = change(last);
        if (next) await write(next);
        return last;
      })(queue)) as Promise<Kept>,
  };
}
