// A service worker's script, in a scope that a test makes and a network that it plays.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connect, kvStorage, serve } from '../../src/service-worker.js';
import { nodeSequelize } from '../../src/profiles.js';
import type { ClientOptions } from '../../src/types.js';
import { memoryStorage } from './client.js';

const ORIGIN = 'https://app.example';
const claims = Buffer.from(JSON.stringify({ sub: 'ada', sid: 's1', iat: 1_000, exp: 1_300 })).toString('base64url');
const ACCESS = `eyJhbGciOiJub25lIn0.${claims}.c2ln`;
const TOKENS = { access_token: ACCESS, refresh_token: 'spr_secret', expires_in: 300, session_id: 's1', name: 'ada' };

const json = (body: unknown, status = 200) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', 'content-length': '999' } });

/** What the network answers, and what reached it. */
let answers: (request: Request) => Response | Promise<Response>;
let sent: Request[];
const listeners = new Map<string, (event: unknown) => void>();

beforeEach(() => {
  sent = [];
  listeners.clear();
  answers = () => json({ code: 'token_missing' }, 401);
  vi.stubGlobal('location', { origin: ORIGIN, href: `${ORIGIN}/worker.js` });
  vi.stubGlobal('clients', { claim: async () => undefined, matchAll: async () => [] });
  vi.stubGlobal('skipWaiting', async () => undefined);
  vi.stubGlobal('addEventListener', (type: string, listener: (event: unknown) => void) => listeners.set(type, listener));
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const request = input instanceof Request ? input : new Request(new URL(String(input), ORIGIN), init);
    sent.push(request);
    return answers(request);
  });
});
afterEach(() => vi.useRealTimers());

const started = (more: Partial<ClientOptions> = {}) =>
  serve({ url: '', mode: 'cookie', storage: memoryStorage(), ...more } as ClientOptions);

/** What the worker answers a request of the page's; undefined where it leaves it to the browser. */
async function asked(path: string, init: RequestInit = {}, facts: Record<string, unknown> = {}) {
  const request = new Request(new URL(path, ORIGIN), init);
  for (const [name, value] of Object.entries(facts)) Object.defineProperty(request, name, { value });
  let answer: Response | Promise<Response> | undefined;
  const respondWith = (response: Response | Promise<Response>) => {
    answer = response;
  };
  listeners.get('fetch')?.({ request, respondWith });
  return answer;
}

/** What the worker tells a page that asks. */
function told(question: object): Promise<{ session: { state: string } }> {
  return new Promise((resolve) => {
    const port = { postMessage: resolve };
    listeners.get('message')?.({ data: question, ports: [port], waitUntil: () => undefined });
  });
}

const POST = { method: 'POST' };

test.each([
  ['an authorization of its own', '/api/v1/auth/refresh', { headers: { Authorization: 'x' } }, {}],
  ['no-cors', '/api/v1/auth/refresh', {}, { mode: 'no-cors' }],
  ['a form that is sent into a frame', '/api/v1/auth/refresh', {}, { mode: 'navigate', destination: 'iframe' }],
  ['a letter as its number', '/api/v1/auth/%72efresh', {}, {}],
  ['a number as its number', '/api/v1/auth/%2572efresh', {}, {}],
  ['slashes in a row', '//api///v1/auth//refresh', {}, {}],
  ['a slash as its number', '/api%2fv1/auth/refresh', {}, {}],
  ['a slash at the end', '/api/v1/auth/refresh/?a=b', {}, {}],
  ['capitals', '/API/v1/Auth/Refresh', {}, {}],
  ['a way round', '/api/v1/auth/x/%252e%252e/refresh', {}, {}],
  ['another call that gives tokens', '/api/v1/auth/login', { headers: { Authorization: 'x' } }, {}],
])('a page that asks for tokens with %s gets none, and the server is not asked', async (_, path, init, facts) => {
  started();
  const answer = await asked(`${ORIGIN}${path}`, { ...POST, ...init }, facts);
  expect(answer?.status).toBe(403);
  expect(sent).toEqual([]);
});

test('the path of the server is where url puts it', async () => {
  started({ url: `${ORIGIN}/sprag/` });
  expect((await asked('/sprag/api/v1/auth/refresh', POST))?.status).toBe(403);
});

test.each(['script', 'font', 'style', 'image', 'manifest', 'worker'])(
  "a page's own %s does not hang on the session server",
  async (destination) => {
    started();
    expect(await asked('/assets/app.js', {}, { destination, mode: 'cors' })).toBeUndefined();
    expect(await asked('/api/v1/auth/looks.js', {}, { destination, mode: 'cors' })).toBeUndefined();
    expect(sent).toEqual([]);
  },
);

test('a page that is opened goes to the server as the browser sends it', async () => {
  started({ profile: nodeSequelize, mode: 'body' });
  expect(await asked('/auth/login', {}, { mode: 'navigate', destination: 'document' })).toBeUndefined();
  expect(await asked('/order', POST, { mode: 'navigate', destination: 'document' })).toBeUndefined();
});

test.each([
  ['plainly', {}, {}],
  ['with an authorization of its own', { headers: { Authorization: 'x' } }, {}],
  ['as no-cors', {}, { mode: 'no-cors' }],
])('a second factor that a page sends %s logs in: the worker keeps the tokens', async (_, init, facts) => {
  const client = started();
  answers = ({ url }) => (url.endsWith('/login/factor') ? json(TOKENS) : json({ code: 'token_missing' }, 401));
  const answer = await asked('/api/v1/auth/login/factor', { ...POST, body: '{"code":"123456"}', ...init }, facts);
  expect([answer?.status, await answer?.json()]).toEqual([200, { expires_in: 300, session_id: 's1', name: 'ada' }]);
  expect(answer?.headers.get('content-length')).toBeNull();
  expect(client.session.current).toMatchObject({ state: 'signed-in', id: 's1' });
  expect(await client.accessToken()).toBe(ACCESS);
});

test('whatever else the server answers under its paths is handed on as it is', async () => {
  started();
  await told({ sprag: 'hello' });
  answers = () => json({ methods: ['totp'] });
  expect(await (await asked('/api/v1/auth/factors', POST))?.json()).toEqual({ methods: ['totp'] });
  answers = () => new Response('<h1>a portal</h1>', { headers: { 'content-type': 'text/html' } });
  expect(await (await asked('/api/v1/auth/factors', POST))?.text()).toBe('<h1>a portal</h1>');
});

test('on a first visit the worker asks the server, so that a page knows whether to show its log-in', async () => {
  started();
  expect((await told({ sprag: 'hello' })).session.state).toBe('signed-out');
});

test('somebody whose browser lost everything but the cookie is signed in from the first page on', async () => {
  started();
  answers = () => json(TOKENS);
  expect((await told({ sprag: 'hello' })).session.state).toBe('signed-in');
});

test('while the server does not answer a page is told so much soon', async () => {
  vi.useFakeTimers();
  started();
  answers = () => new Promise(() => undefined);
  const hello = told({ sprag: 'hello' });
  await vi.advanceTimersByTimeAsync(3_000);
  expect((await hello).session.state).toBe('unknown');
});

test('where a server renders the page, connecting it does nothing and says that nobody is known', async () => {
  vi.stubGlobal('document', undefined);
  vi.stubGlobal('addEventListener', undefined);
  const page = connect();
  await page.ready;
  expect(page.session.current).toEqual({ state: 'unknown' });
  await expect(page.login({})).rejects.toMatchObject({ name: 'SpragError', code: 'not_offered' });
  page.close();
});

test('where a browser has no service workers, or none could be installed, a page starts all the same and is told why', async () => {
  vi.stubGlobal('document', new EventTarget());
  vi.stubGlobal('navigator', {});
  const without = connect();
  await without.ready;
  await expect(without.login({})).rejects.toMatchObject({ name: 'SpragError', code: 'not_offered' });

  vi.useFakeTimers();
  const never = new Promise(() => undefined);
  const container = Object.assign(new EventTarget(), { ready: never, controller: null, startMessages: () => undefined });
  const page = connect(container as unknown as ServiceWorkerContainer);
  const failed = expect(page.login({})).rejects.toMatchObject({ name: 'SpragError', code: 'unreachable' });
  await vi.advanceTimersByTimeAsync(10_000);
  await page.ready;
  expect(page.session.state).toBe('unknown');
  await vi.advanceTimersByTimeAsync(60_000);
  await failed;
  page.close();
});

test('a worker that is replaced between question and answer leaves no call hanging', async () => {
  vi.stubGlobal('document', new EventTarget());
  vi.useFakeTimers();
  const active = { postMessage: () => undefined };
  const ready = Promise.resolve({ active });
  const container = Object.assign(new EventTarget(), { ready, controller: active, startMessages: () => undefined });
  const page = connect(container as unknown as ServiceWorkerContainer);
  const failed = expect(page.logout()).rejects.toMatchObject({ code: 'unreachable' });
  await vi.advanceTimersByTimeAsync(60_000);
  await failed;
  await page.ready;
  page.close();
});

test('a page that was asleep while one person left and another came tells so', () => {
  vi.stubGlobal('document', new EventTarget());
  const never = new Promise(() => undefined);
  const container = Object.assign(new EventTarget(), { ready: never, controller: {}, startMessages: () => undefined });
  const page = connect(container as unknown as ServiceWorkerContainer);
  const news = (session: object) =>
    container.dispatchEvent(Object.assign(new Event('message'), { data: { spragSession: session } }));
  const causes: string[] = [];
  page.onSignedOut(({ cause }) => causes.push(cause));
  news({ state: 'signed-in', id: 's1', claims: { sub: 'ada' } });
  // Nobody else's: an access token that is not there yet, and a session after a password change.
  news({ state: 'signed-in', id: 's1' });
  news({ state: 'signed-in', id: 's2', claims: { sub: 'ada' } });
  expect(causes).toEqual([]);
  news({ state: 'signed-in', id: 's3', claims: { sub: 'ben' } });
  expect(causes).toEqual(['replaced']);
  expect(page.session.current).toMatchObject({ state: 'signed-in', id: 's3' });
  page.close();
});

/** A browser's database that can be lost. */
function database() {
  const [values, opened] = [new Map<string, unknown>(), [] as Record<string, unknown>[]];
  const later = (target: Record<string, unknown>, name: string) =>
    queueMicrotask(() => (target[name] as (() => void) | undefined)?.());
  const facts = { refuses: 0, opened, isShut: false };
  const open = () => {
    const request: Record<string, unknown> = {};
    if (facts.refuses-- > 0) {
      request['error'] = new Error('blocked');
      later(request, 'onerror');
      return request;
    }
    const db: Record<string, unknown> = { close: () => undefined };
    db['transaction'] = () => {
      if (db['isLost']) throw new DOMException('the connection is closed', 'InvalidStateError');
      const transaction: Record<string, unknown> = {};
      const done = (result: unknown) => {
        later(transaction, 'oncomplete');
        return { result };
      };
      const objectStore = () => ({
        get: (key: string) => done(values.get(key)),
        put: (value: unknown, key: string) => done(values.set(key, value)),
        delete: (key: string) => done(values.delete(key)),
      });
      return Object.assign(transaction, { objectStore });
    };
    opened.push(db);
    request['result'] = db;
    later(request, 'onsuccess');
    return request;
  };
  vi.stubGlobal('indexedDB', { open });
  return facts;
}

test('a database that could not be opened, or was lost, is opened anew', async () => {
  const facts = database();
  const storage = kvStorage();
  facts.refuses = 1;
  await expect(storage.getItem('sprag')).rejects.toThrow('blocked');
  await storage.setItem('sprag', 'kept');
  expect(await storage.getItem('sprag')).toBe('kept');
  expect(facts.opened.length).toBe(1);
  // The browser says so ...
  (facts.opened[0] as { onclose(): void }).onclose();
  expect(await storage.getItem('sprag')).toBe('kept');
  // ... or another page wants to change the database ...
  (facts.opened[1] as { onversionchange(): void }).onversionchange();
  expect(await storage.getItem('sprag')).toBe('kept');
  // ... or it is noticed only when it is used.
  Object.assign(facts.opened[2] as object, { isLost: true });
  expect(await storage.getItem('sprag')).toBe('kept');
  expect(facts.opened.length).toBe(4);
});
