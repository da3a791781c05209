import type { TokenStorage } from '../types.js';

/**
 * A storage in IndexedDB, which workers have. Scripts of the same origin can read it too: in cookie mode nothing lies there
 * that opens a session; in body mode the refresh token does.
 */
export function kvStorage(name = 'sprag'): TokenStorage {
  let opened: Promise<IDBDatabase> | undefined;
  const lost = (): void => {
    opened = undefined;
  };
  const open = (): Promise<IDBDatabase> => {
    opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => void request.result.createObjectStore('kept');
      request.onsuccess = () => {
        const database = request.result;
        // A browser may close it: data that is cleared, a service of its own that ended. The next use opens it anew.
        database.onclose = lost;
        database.onversionchange = () => {
          database.close();
          lost();
        };
        resolve(database);
      };
      request.onerror = () => {
        lost();
        reject(request.error);
      };
    });
    return opened;
  };
  const begin = async (mode: IDBTransactionMode): Promise<IDBTransaction> => {
    const database = await open();
    try {
      return database.transaction('kept', mode);
    } catch (error) {
      // It was closed, and nobody was told.
      if ((error as DOMException).name !== 'InvalidStateError') throw error;
      lost();
      return (await open()).transaction('kept', mode);
    }
  };
  const run = async <T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const transaction = await begin(mode);
    const request = act(transaction.objectStore('kept'));
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error ?? request.error);
    });
  };
  return {
    getItem: async (key) => (await run<string | undefined>('readonly', (store) => store.get(key))) ?? null,
    setItem: (key, value) => run('readwrite', (store) => store.put(value, key)),
    removeItem: (key) => run('readwrite', (store) => store.delete(key)),
  };
}
