// The client as a page has it, against a real server, with its requests counted and its answers spoilt on demand.

import { createClient } from '../../src/index.js';
import type { Client, ClientOptions, TokenStorage } from '../../src/types.js';
import { PASSWORD, type Sprag } from './sprag.js';

/** A storage as `localStorage` is one. */
export function memoryStorage(): TokenStorage & { kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

export interface Stage {
  client: Client;
  /** How often a refresh was asked for. */
  refreshes(): number;
  logIn(name: string): Promise<void>;
  /** From now on no request gets through. */
  cutOff(isCut: boolean): void;
}

export function stage(sprag: Sprag, more: Partial<ClientOptions> = {}): Stage {
  let [refreshes, isCut] = [0, false];
  const counted: typeof fetch = (input, init) => {
    if (isCut) return Promise.reject(new TypeError('Failed to fetch'));
    const url = input instanceof Request ? input.url : String(input);
    if (url.endsWith('/refresh')) refreshes += 1;
    return fetch(input, init);
  };
  const client = createClient({
    url: sprag.url,
    mode: 'body',
    storage: memoryStorage(),
    fetch: counted,
    ahead: false,
    ...more,
  });
  return {
    client,
    refreshes: () => refreshes,
    logIn: (name) => patiently(async () => void (await client.login({ username: name, password: PASSWORD }))),
    cutOff: (cut) => {
      isCut = cut;
    },
  };
}

/** On a machine with much to do a log-in, which costs the server most, may be answered 503. */
export async function patiently<T>(logIn: () => Promise<T>): Promise<T> {
  for (let times = 0; ; times++) {
    try {
      return await logIn();
    } catch (error) {
      if (times === 100 || (error as { status?: number }).status !== 503) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
