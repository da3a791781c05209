import { readToken } from './token.js';
import type { TokenStorage } from './types.js';

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
  /** Why there is no session: cause and sentence. */
  readonly o?: readonly [string, string];
}

/** How long a storage may think, in milliseconds: one that hangs is as good as none. */
const PATIENCE = 2_000;

/** 128 random bits. Not `randomUUID`, which pages without https do not have. */
export const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join('');

/** Whether the one is a newer token of the same session than the other. */
export const isNewer = (one: string | undefined, other: string | undefined): boolean => {
  const [a, b] = [readToken(one), readToken(other)];
  return !!a && a.session === b?.session && a.generation > b.generation;
};

export interface Store {
  /** What was last seen. */
  readonly last: Kept;
  read(): Promise<Kept>;
  /** Puts what `change` makes of what is kept in its place; nothing where that is undefined. */
  update(change: (kept: Kept) => Kept | undefined): Promise<Kept>;
  /** Takes what another tab says is kept. */
  take(raw: string): Kept;
}

/** What is kept, in the storage and in memory: where the storage is blocked, memory has to do. */
export function openStore(storage: TokenStorage | undefined, key: string, importFrom?: string): Store {
  let last: Kept = { i: newId() };
  /** The text that `last` was read from or written as. */
  let seen: string | null = null;
  /** What the storage still holds after it took no write: older than what is in memory. */
  let stale: string | null | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  /** Asks the storage, and gives undefined where it throws or hangs. */
  const ask = (call: (storage: TokenStorage) => unknown): Promise<unknown> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, PATIENCE);
      const settle = (value?: unknown): void => {
        clearTimeout(timer);
        resolve(value);
      };
      (async () => storage && ((await call(storage)) ?? null))().then(settle, () => settle());
    });

  const get = async (): Promise<string | null | undefined | void> => {
    const raw = (await ask((storage) => storage.getItem(key))) as string | null | undefined;
    if (raw !== null || !importFrom || last.r) return raw;
    const bare = await ask((storage) => storage.getItem(importFrom));
    if (!bare) return raw;
    return void (await write({ ...last, s: '', t: bare as string, r: newId() }));
  };

  const take = (raw: string | null | undefined | void): Kept => {
    if (raw === undefined || raw === seen || raw === stale) return last;
    try {
      const found = JSON.parse(raw as string) as Kept;
      if (found.i && !isNewer(last.t, found.t)) {
        stale = undefined;
        seen = raw;
        return (last = found);
      }
    } catch {
      // Not ours; nor is it where there is nothing.
    }
    // Cleared or evicted, which is no log-out (that leaves its cause behind), or overwritten with an older token.
    if (last.r) void write(last);
    return last;
  };

  const write = async (kept: Kept): Promise<void> => {
    last = kept;
    const text = (seen = JSON.stringify(kept));
    const written = await ask((storage) => storage.setItem(key, text));
    if (written === undefined) stale = (await ask((storage) => storage.getItem(key))) as string | null | undefined;
  };

  const read = async (): Promise<Kept> => take(await get());

  return {
    get last() {
      return last;
    },
    // One after the other, so that nothing that is being written is taken for another tab's.
    read: () => (queue = queue.then(read, read)) as Promise<Kept>,
    update: (change) =>
      (queue = queue.then(async () => {
        const next = change(await read());
        if (next) await write(next);
        return last;
      })) as Promise<Kept>,
    take,
  };
}
