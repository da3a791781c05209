import type { TokenStorage } from '../types.js';

/**
 * A storage in IndexedDB, which workers have. Scripts of the same origin can read it too: in cookie mode nothing lies there
 * that opens a session; in body mode the refresh token does.
 */
export function kvStorage(name = 'sprag'): TokenStorage {
  let opened: Promise<IDBDatabase> | undefined;
  const open = (): Promise<IDBDatabase> => {
    opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => void request.result.createObjectStore('kept');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    return opened;
  };
  const run = async <T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const transaction = (await open()).transaction('kept', mode);
    const request = act(transaction.objectStore('kept'));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  };
  return {
    getItem: async (key) => (await run<string | undefined>('readonly', (store) => store.get(key))) ?? null,
    setItem: (key, value) => run('readwrite', (store) => store.put(value, key)),
    removeItem: (key) => run('readwrite', (store) => store.delete(key)),
  };
}
