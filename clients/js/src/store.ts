import type { TokenStorage } from './types.js';
import { readToken } from './token.js';

/** All that is kept, under one key, so that it changes in one piece. Members are short: some storages are cookies. */
export interface Kept {
  /** The client's instance: random, one for each browser profile or install; outlives log-out. */
  readonly i: string;
  /** The session's id, or '' where nobody named it. Present while there is a session. */
  readonly s?: string;
  /** The refresh token, in body mode. */
  readonly t?: string;
  /** The retry id of the next refresh: of this token, or in cookie mode until an answer was read. */
  readonly r?: string;
  /** Why there is no session: cause and sentence. */
  readonly o?: readonly [string, string];
  /** Some tab is about to put another session in this one's place. */
  readonly p?: 1;
}

/** How long a storage may think; one that hangs is taken for blocked. */
const PATIENCE = 2_000;

/** 128 random bits. Not `randomUUID`, which pages without https do not have. */
export const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Whether the one is an older token of the same session than the other. */
const isOlder = (one: Kept, other: Kept): boolean => {
  const [a, b] = [readToken(one.t ?? ''), readToken(other.t ?? '')];
  return !!a && !!b && a.session === b.session && a.generation < b.generation;
};

const parse = (raw: unknown): Kept | undefined => {
  try {
    const kept = JSON.parse(raw as string) as Kept;
    return typeof kept.i === 'string' ? kept : undefined;
  } catch {
    return undefined;
  }
};

const inTime = <T>(value: PromiseLike<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(reject, PATIENCE);
    const settle = (): void => clearTimeout(timer);
    value.then(resolve, reject).then(settle, settle);
  });

const isPromise = (value: unknown): value is PromiseLike<unknown> => typeof (value as Promise<unknown>)?.then === 'function';

export interface Store {
  /** What was last seen. */
  readonly last: Kept;
  /** What is kept now; at once where the storage answers at once. */
  read(): Kept | Promise<Kept>;
  /** Puts what `change` makes of it in its place, in one go; nothing where that is undefined. */
  update(change: (kept: Kept) => Kept | undefined): Promise<Kept>;
  /** Takes what another tab says is kept, where this one cannot look. */
  hear(raw: string): void;
  /** What cannot be read from the storage, for other tabs. */
  unshared(): string | undefined;
}

/** What is kept, in the storage and in memory: where the storage is blocked, memory has to do. */
export function openStore(storage: TokenStorage | undefined, key: string, importFrom?: string): Store {
  let last: Kept = { i: newId() };
  /** What the storage still holds although `last` should be there: a write was refused. */
  let stale: unknown = storage ? undefined : null;
  let seen: unknown;
  let writing = 0;

  const take = (raw: unknown): Kept => {
    if (writing || raw === stale || raw === seen) return last;
    const found = parse(raw);
    if (!found) {
      // Evicted or cleared, which is no log-out: those leave their cause behind.
      if (last.r) write(last);
    } else if (isOlder(found, last)) write(last);
    else {
      last = found;
      seen = raw;
      stale = storage ? undefined : null;
    }
    return last;
  };

  /** A promise where the storage gives one. */
  const write = (kept: Kept): unknown => {
    last = kept;
    seen = JSON.stringify(kept);
    const blocked = (): void => {
      // Whatever stands there now is older than what we hold; anything else that appears is another tab's.
      try {
        stale = storage?.getItem(key) ?? null;
      } catch {
        stale = null;
      }
    };
    try {
      const done = storage?.setItem(key, seen as string);
      if (!isPromise(done)) {
        if (storage) stale = undefined;
        return undefined;
      }
      writing += 1;
      const settle = (): void => {
        writing -= 1;
      };
      return inTime(done).then(settle, settle);
    } catch {
      return blocked();
    }
  };

  const look = (): unknown => {
    try {
      const raw = storage?.getItem(key) ?? null;
      if (raw !== null || !importFrom || last.r) return raw;
      return importBare(storage as TokenStorage, importFrom);
    } catch {
      return stale;
    }
  };

  /** The bare token of the front end of before: generation zero of a session here. */
  const importBare = (from: TokenStorage, bare: string): unknown => {
    const taken = (token: string | null): unknown => {
      if (token) {
        write({ ...last, t: token, s: '', r: newId() });
        from.removeItem(bare);
      }
      return stale;
    };
    const token = from.getItem(bare);
    return isPromise(token) ? token.then(taken) : taken(token);
  };

  return {
    get last() {
      return last;
    },
    read() {
      const raw = look();
      return isPromise(raw) ? inTime(raw).then(take, () => last) : take(raw);
    },
    async update(change) {
      const put = (kept: Kept): unknown => {
        const next = change(kept);
        return next && write(next);
      };
      const kept = this.read();
      const done = kept instanceof Promise ? kept.then(put) : put(kept);
      if (isPromise(done)) await done;
      return last;
    },
    hear(raw) {
      take(raw);
    },
    unshared() {
      return stale === undefined ? undefined : JSON.stringify(last);
    },
  };
}
