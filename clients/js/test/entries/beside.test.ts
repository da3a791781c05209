// A page's client and the server of the pages, which share one refresh cookie and its retry id.

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { besideServer, createClient, type TokenStorage } from '../../src/index.js';
import { accessIsOver, type App, loggedIn, startApp } from './app.js';
import type { Browser } from './browser.js';
import { memoryStorage } from './client.js';
import { type Sprag, startSprag } from './sprag.js';

afterEach(() => vi.restoreAllMocks());

describe('a page with a client of its own, on the same refresh cookie', () => {
  let sprag: Sprag;
  beforeAll(async () => {
    // The strictest setting there is: a spent token is reuse at once, unless its request is known for the same one.
    sprag = await startSprag({ env: { SPRAG_REUSE_INTERVAL: '0s' } });
    for (const name of ['ada', 'ben', 'cleo', 'dora', 'eve', 'finn']) await sprag.createUser(name);
  });
  afterAll(() => sprag?.stop());

  /** A page of the app in this browser. While it `loses`, its refreshes reach Sprag, and no answer reaches the browser. */
  function openPage(browser: Browser, storage: TokenStorage | undefined = undefined) {
    const facts = { loses: false, ids: [] as (string | null)[] };
    vi.stubGlobal('BroadcastChannel', undefined);
    vi.stubGlobal('addEventListener', () => undefined);
    vi.stubGlobal('localStorage', memoryStorage());
    vi.stubGlobal('document', {
      hidden: false,
      get cookie() {
        const isShown = (name: string) => !browser.attributes.get(name)?.includes('HttpOnly');
        return [...browser.cookies].flatMap(([name, value]) => (isShown(name) ? [`${name}=${value}`] : [])).join('; ');
      },
      set cookie(line: string) {
        browser.take(new Headers({ 'set-cookie': line.replaceAll(';', '; ').replace('max-age', 'Max-Age') }));
      },
    });
    const fetch = async (input: unknown, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      headers.set('sec-fetch-site', 'same-origin');
      facts.ids.push(headers.get('idempotency-key'));
      const answer = await browser.send(String(input), { ...init, headers }, facts.loses);
      if (facts.loses) throw new TypeError('Failed to fetch');
      return answer;
    };
    const client = createClient({
      url: sprag.url,
      mode: 'cookie',
      storage: storage ?? besideServer(),
      fetch: fetch as typeof globalThis.fetch,
      ahead: false,
    });
    return Object.assign(facts, { client });
  }

  const serves = async (app: App, browser: Browser) => {
    accessIsOver(browser);
    expect(await (await browser.send(`${app.url}/page`)).json()).toEqual({ tokens: 1, has: true });
  };
  const withSecret = { besidePage: true, secret: 'a secret of more than thirty-two characters' };

  test.each([
    ['ada', { besidePage: true }],
    ['ben', withSecret],
  ])('both refresh in turn, and the session goes on: %s', async (name, more) => {
    const app = await startApp(sprag, more);
    const browser = await loggedIn(app, name);
    expect(browser.attributes.get('sprag_retry')).toBe('Path=/; Max-Age=34560000; SameSite=Lax; Secure');
    const { client, ids } = openPage(browser);
    const given = browser.cookies.get('sprag_retry');
    await client.ready;
    expect(client.session.state).toBe('signed-in');
    expect(await client.accessToken()).toBeDefined();
    expect(ids).toEqual([given]);
    for (let times = 0; times < 3; times++) {
      const id = browser.cookies.get('sprag_retry');
      await serves(app, browser);
      expect(app.refreshes.at(-1)?.get('idempotency-key')).toBe(id);
      expect(browser.cookies.get('sprag_retry')).not.toBe(id);
      expect(await client.refresh()).toBeDefined();
    }
    expect(await sprag.sessions(name)).toBe(1);
    await client.logout();
    expect(await sprag.sessions(name)).toBe(0);
    expect(browser.cookies.has('sprag_retry')).toBe(false);
    app.close();
  });

  test.each([
    ['cleo', { besidePage: true }],
    ['dora', withSecret],
  ])('an answer that never reached the browser is asked for by the other under the same id, however late: %s', async (name, more) => {
    const app = await startApp(sprag, more);
    const browser = await loggedIn(app, name);
    const page = openPage(browser);
    await page.client.ready;
    const now = performance.now.bind(performance);

    // The app's answer is aborted, and the page comes an hour later.
    accessIsOver(browser);
    const leaving = new AbortController();
    const left = browser.send(`${app.url}/held`, { signal: leaving.signal }).catch((error) => error.name);
    await vi.waitUntil(() => app.held.times > 0, { timeout: 60_000, interval: 1 });
    leaving.abort();
    expect(await left).toBe('AbortError');
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
    expect(await page.client.refresh()).toBeDefined();
    expect(page.ids.at(-1)).toBe(app.refreshes.at(-1)?.get('idempotency-key'));

    // The page's answer is lost, and the app comes another hour later.
    page.loses = true;
    expect(await page.client.refresh().catch(({ code }) => code)).toBe('unreachable');
    page.loses = false;
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 7_200_000);
    await serves(app, browser);
    expect(app.refreshes.at(-1)?.get('idempotency-key')).toBe(page.ids.at(-1));
    expect(await page.client.refresh()).toBeDefined();
    expect(await sprag.sessions(name)).toBe(1);

    // The app's answer is lost once more, and the page logs out.
    accessIsOver(browser);
    await browser.send(`${app.url}/page`, {}, true);
    await page.client.logout();
    const told = JSON.parse(await sprag.command(['audit', 'list', '--account', name, '--json']));
    expect(told.map(({ cause }: { cause: string | null }) => cause).filter(Boolean)).toEqual(['logout']);
    expect(await sprag.sessions(name)).toBe(0);
    app.close();
  });

  test('would end the session, did either keep its ids to itself', async () => {
    const app = await startApp(sprag);
    const browser = await loggedIn(app, 'eve');
    const page = openPage(browser, memoryStorage());
    await page.client.ready;
    accessIsOver(browser);
    await browser.send(`${app.url}/page`, {}, true);
    expect(await page.client.refresh()).toBeUndefined();
    expect(page.client.session.current.signedOut?.cause).toBe('reuse');
    app.close();
  });

  test('a retry id that is none is not sent on', async () => {
    const app = await startApp(sprag, withSecret);
    const browser = await loggedIn(app, 'finn');
    for (const wrong of ['short', 'a b c d e f g h i j k l', 'x'.repeat(300), '%0d%0aset-cookie:yes']) {
      browser.cookies.set('sprag_retry', wrong);
      await serves(app, browser);
      expect(app.refreshes.at(-1)?.get('idempotency-key')).toMatch(/^[\w-]{43}$/);
    }
    app.close();
  });
});
