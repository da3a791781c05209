// A document's code in Node: what it expects of a browser is there, and its relative URLs mean the stage's site.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axios from 'axios';

/** Loads a script of the stage's page. A process can be one browser only. */
export async function actAsBrowser(stage, user, script) {
  const kept = new Map();
  const localStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, String(value)),
    removeItem: (key) => void kept.delete(key),
    clear: () => kept.clear(),
  };
  Object.defineProperty(globalThis, 'localStorage', { value: localStorage, configurable: true });
  globalThis.window = { location: { href: `${stage.site.url}/` } };
  axios.defaults.baseURL = stage.site.url;
  axios.defaults.proxy = false;
  axios.defaults.headers.common['User-Agent'] = user.agent;
  const loaded = await import(pathToFileURL(join(stage.folder, script)));
  loaded.connect?.(stage.site.url, user.agent);
  return loaded;
}
