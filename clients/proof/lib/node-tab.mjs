// The program of one thread: the client with a file as its storage, and what the rig asks of it.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, threadId, workerData } from 'node:worker_threads';

const { url, folder, gate } = workerData;
const address = new URL(url);
const asked = Object.fromEntries(address.searchParams);

/** Files in the folder, put in each other's place at once. */
const storage = {
  getItem(key) {
    try {
      return readFileSync(join(folder, encodeURIComponent(key)), 'utf8');
    } catch {
      return null;
    }
  },
  setItem(key, value) {
    if (asked.storage === 'full') throw new Error('no room is left');
    const name = join(folder, encodeURIComponent(key));
    writeFileSync(`${name}.${threadId}`, value);
    renameSync(`${name}.${threadId}`, name);
  },
  removeItem: (key) => rmSync(join(folder, encodeURIComponent(key)), { force: true }),
};
if (asked.storage === 'blocked') storage.getItem = storage.setItem;

if (asked.channel === 'none') delete globalThis.BroadcastChannel;
const clock = Number(asked.clock);
if (clock) {
  const { now } = Date;
  Date.now = () => now() + clock;
}

// A program has an address as a page has, and goes nowhere by it.
globalThis.location = {
  pathname: '/tab',
  protocol: address.protocol,
  origin: address.origin,
  get href() {
    return new URL('/tab', address).href;
  },
  set href(to) {},
};

function report(what, more = {}) {
  const body = JSON.stringify({ tab: asked.tab, what, ...more });
  fetch(`${address.origin}/rig/report`, { method: 'POST', body }).catch(() => undefined);
}

parentPort.on('message', async ({ id, expression, freeze }) => {
  if (freeze) return void Atomics.wait(gate, 0, 1);
  try {
    // An expression of the rig's own.
    parentPort.postMessage({ id, result: await (0, eval)(expression) });
  } catch (error) {
    parentPort.postMessage({ id, error: String(error?.stack ?? error) });
  }
  return undefined;
});

// What the front end before left here, once.
if (asked.old && storage.getItem('moved') === null) {
  storage.setItem('moved', 'yes');
  storage.setItem('refresh_token', asked.old);
}

globalThis.window = globalThis;
const { make } = await import(`../page/${asked.client}.mjs`);
globalThis.stored = () => storage.getItem('sprag') ?? '';
const facts = JSON.parse(asked.facts);
globalThis.rig = await make({ origin: address.origin, mode: asked.mode, keeper: 'page', facts, report, storage });
globalThis.isReady = true;
