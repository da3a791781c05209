// Several tabs of one browser on the clock of the test: one storage, channels between them, events of each window.

import { vi } from 'vitest';

import { createClient, type Client, type ClientOptions, type TokenStorage } from '../src/index.js';
import { Ratchet } from './ratchet.js';

export const URL_OF_SERVER = 'http://auth.test';

/** A storage that tells the other tabs, as `localStorage` does. */
export class SharedStorage implements TokenStorage {
  readonly items = new Map<string, string>();
  /** Set to have it throw, as a full or blocked one does. */
  blocked: 'reads and writes' | 'writes' | undefined;

  getItem(key: string): string | null {
    if (this.blocked === 'reads and writes') throw new DOMException('blocked', 'SecurityError');
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (this.blocked) throw new DOMException('full', 'QuotaExceededError');
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }

  kept(name = 'sprag'): Record<string, string> {
    return JSON.parse(this.items.get(name) ?? '{}');
  }
}

/** `BroadcastChannel` without a thread of its own: what is sent arrives in the next turn. */
class Channel {
  static all = new Set<Channel>();
  onmessage: ((event: { data: unknown }) => void) | undefined;

  constructor(readonly name: string) {
    Channel.all.add(this);
  }

  postMessage(data: unknown): void {
    if (!Channel.all.has(this)) throw new DOMException('closed', 'InvalidStateError');
    const copy = structuredClone(data);
    for (const other of Channel.all) {
      if (other !== this && other.name === this.name) queueMicrotask(() => Channel.all.has(other) && other.onmessage?.({ data: copy }));
    }
  }

  close(): void {
    Channel.all.delete(this);
  }
}

export interface Browser {
  readonly server: Ratchet;
  readonly storage: SharedStorage;
  tab(options?: Partial<ClientOptions>): Client;
}

/** A browser; the test's clock stands still until the test moves it. */
export function browser({ mode = 'body' as 'body' | 'cookie', channels = true } = {}): Browser {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  Channel.all.clear();
  vi.stubGlobal('BroadcastChannel', channels ? Channel : undefined);
  // What a page has; a test that dispatches events has a window of its own.
  vi.stubGlobal('document', { hidden: false });
  vi.stubGlobal('addEventListener', () => {});
  const server = new Ratchet(mode);
  const storage = new SharedStorage();
  return {
    server,
    storage,
    tab: (options) => createClient({ url: URL_OF_SERVER, mode, storage, fetch: server.fetch, ...options }),
  };
}

/** Lets what is under way go on, and so many milliseconds pass. */
export const pass = (milliseconds = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);

export const MINUTE = 60_000;
