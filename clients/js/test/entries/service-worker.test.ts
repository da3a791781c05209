import { readdirSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from 'vite';
import { type Front, startFront } from './front.js';
import { PASSWORD, type Sprag, startSprag } from './sprag.js';

const here = (path: string) => new URL(path, import.meta.url).pathname;
const QUIET =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

let [sprag, front, browser] = [
  undefined as Sprag | undefined,
  undefined as Front | undefined,
  undefined as Browser | undefined,
];
beforeAll(async () => {
  sprag = await startSprag();
  await sprag.createUser('ada');
  const files = new Map([
    [
      '/',
      '<!doctype html><title>A page</title><link rel="icon" href="data:,"><script type="module">window.app = await import("/page.js")</script>',
    ],
    ['/worker.js', await bundled('worker.js')],
    ['/page.js', await bundled('worker-page.js')],
  ]);
  front = await startFront(sprag, (path) => path.startsWith('/api/v1/auth/'), files);
  const executablePath = process.env['SPRAG_TEST_CHROMIUM'] ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath, args: QUIET.split(' ') });
});
afterAll(async () => {
  await browser?.close();
  front?.close();
  await sprag?.stop();
});

/** The guide's code as a browser gets it. */
async function bundled(name: string): Promise<string> {
  const source = readdirSync(here('../../src')).filter((file) => file.endsWith('.ts'));
  const alias = source.map((file) => ({
    find: new RegExp(`^sprag-client/${file.slice(0, -3)}$`),
    replacement: here(`../../src/${file}`),
  }));
  const made = await build({
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
    build: { write: false, minify: false, target: 'es2022', lib: { entry: here(`snippets/${name}`), formats: ['es'] } },
  });
  const [{ output }] = made as unknown as [{ output: [{ code: string }] }];
  return output[0].code;
}

type App = typeof import('./snippets/worker-page.js');
type Shown = Window & { app: App };

async function open(context: Awaited<ReturnType<Browser['newContext']>>): Promise<Page> {
  const page = await context.newPage();
  await page.goto((front as Front).url);
  await page.waitForFunction(() => (window as unknown as Shown).app !== undefined);
  return page;
}

const state = (page: Page) => page.evaluate(() => (window as unknown as Shown).app.client.session.state);
const notes = (page: Page) => page.evaluate(() => (window as unknown as Shown).app.loadNotes());

/** Logs in; only a server that has too much to do is asked again. */
async function logIn(page: Page) {
  for (let times = 0; (await state(page)) !== 'signed-in'; times++) {
    const said = await page.evaluate(
      ([password]) =>
        (window as unknown as Shown).app
          .logIn('ada', password as string)
          .catch(({ status, message }: Error & { status: number }) => ({ status, message })),
      [PASSWORD],
    );
    expect(JSON.stringify(said)).not.toMatch(/eyJ|spr_/);
    const status = (said as { status?: number } | undefined)?.status;
    if (status !== undefined) expect([429, 503], JSON.stringify(said)).toContain(status);
    expect(times).toBeLessThan(20);
  }
}

test('a page logs in, calls, and never sees a token', async () => {
  const { refreshes, expireSeen } = front as Front;
  const context = await (browser as Browser).newContext();
  const page = await open(context);
  // Nobody was here before: the page knows at once that it shall show its log-in.
  expect(await state(page)).toBe('signed-out');
  await logIn(page);
  expect(await notes(page)).toEqual({ path: '/api/notes' });

  // What the page may look at, and what it is told when it asks the server by itself.
  const looked = await page.evaluate(async () => {
    const asked = await Promise.all([
      fetch('/api/v1/auth/refresh', { method: 'POST' }),
      fetch('/api/v1/auth/refresh', { method: 'POST', headers: { Authorization: 'x' } }),
      fetch('/api/v1/auth/refresh', { method: 'POST', mode: 'no-cors' }),
      fetch('/api//v1/auth/%72efresh', { method: 'POST' }),
    ]);
    const said = await Promise.all(asked.map((answer) => answer.text()));
    const kept: unknown[] = [{ ...localStorage }, document.cookie, ...said];
    for (const { name = '' } of await indexedDB.databases()) {
      const opened = indexedDB.open(name);
      await new Promise((resolve) => opened.addEventListener('success', resolve));
      for (const store of opened.result.objectStoreNames) {
        const all = opened.result.transaction(store).objectStore(store).getAll();
        await new Promise((resolve) => all.addEventListener('success', resolve));
        kept.push(all.result);
      }
      opened.result.close();
    }
    return { statuses: asked.map(({ status }) => status), kept: JSON.stringify(kept) };
  });
  expect(looked.statuses).toEqual([403, 403, 403, 403]);
  expect(looked.kept).toContain('kept_by_worker');
  expect(looked.kept).not.toMatch(/eyJ|spr_/);

  // An expired access token, for several calls at one moment.
  const before = refreshes.length;
  expireSeen();
  expect(await Promise.all([notes(page), notes(page), notes(page)])).toEqual(Array(3).fill({ path: '/api/notes' }));
  expect(refreshes.slice(before)).toEqual([200]);
  await context.close();
});

test('the browser stops the worker, and the session goes on', async () => {
  const context = await (browser as Browser).newContext();
  const page = await open(context);
  await logIn(page);
  const tools = await context.newCDPSession(page);
  await tools.send('ServiceWorker.enable');
  await tools.send('ServiceWorker.stopAllWorkers');
  expect(await notes(page)).toEqual({ path: '/api/notes' });
  await page.reload();
  await page.waitForFunction(() => (window as unknown as Shown).app !== undefined);
  expect(await state(page)).toBe('signed-in');
  expect(await notes(page)).toEqual({ path: '/api/notes' });
  await context.close();
});

test('a log-out in one page is known in the other', async () => {
  const context = await (browser as Browser).newContext();
  const [one, other] = [await open(context), await open(context)];
  await logIn(one);
  await other.waitForFunction(() => (window as unknown as Shown).app.client.session.state === 'signed-in');
  await one.evaluate(() => (window as unknown as Shown).app.logOut());
  await other.waitForFunction(() => (window as unknown as Shown).app.client.session.state === 'signed-out');
  expect(await notes(other)).toEqual({ code: 'token_expired' });
  await context.close();
});
