// What the guides show is what runs here.

import { readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { Window } from 'happy-dom';
import type { Component } from 'svelte';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Browser } from './browser.js';
import { patiently } from './client.js';
import { actAsBrowser, type Front, startFront } from './front.js';
import { logIn, PASSWORD, SECRET, type Sprag, startSprag } from './sprag.js';

const ROOT = new URL('../../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const GUIDE = 'docs/guide/client/';
const PAGES = ['docs/guide/client.md', ...readdirSync(new URL(GUIDE, ROOT)).map((name) => GUIDE + name)];

/** A page's pieces of code, each with the file that the line above it names. */
const blocksOf = (page: string) => [...read(page).matchAll(/(?:<!-- (\S+) -->\n+)?```(\w+)\S*\n([\s\S]*?)```/g)];

function standsInItsFile([, path, , text]: RegExpMatchArray) {
  expect(path, `a block has no file above it:\n${text}`).toBeDefined();
  expect(read(path as string), `${path} has not:\n${text}`).toContain((text as string).trimEnd());
}

describe('each piece of code in the guides stands in a file that a test runs', () => {
  test.each(PAGES)('%s', (page) => {
    const blocks = blocksOf(page);
    const code = blocks.filter(([, , language]) => !['sh', 'console', 'text'].includes(language as string));
    code.forEach(standsInItsFile);
    expect(blocks.length).toBeGreaterThan(0);
  });

  // The guide's Rust is tested with the crate's documentation; its Java is for frameworks that are not here.
  test('docs/guide/verifying.md, in JavaScript and Python', () => {
    const code = blocksOf('docs/guide/verifying.md').filter(([, , language]) => ['js', 'python'].includes(language as string));
    code.forEach(standsInItsFile);
    expect(code.length).toBe(2);
  });
});

let [sprag, front] = [undefined as Sprag | undefined, undefined as Front | undefined];
afterEach(async () => {
  vi.unstubAllGlobals();
  vi.resetModules();
  front?.close();
  await sprag?.stop();
});

/** The server with that profile behind one origin with an API, and this process a browser there. */
async function opened(profile: string, env: Record<string, string>, isAuth: (path: string) => boolean) {
  sprag = await startSprag({ profile, env });
  await sprag.createUser('ada');
  front = await startFront(sprag, isAuth);
  return { sprag, front, ...actAsBrowser(front) };
}

type Ask = (path: string) => Promise<{ path: string } | undefined>;

/** Calls, an access token that expires under several of them, an end from outside that leads to the log-in page. */
async function lives({ front, left, sprag }: { front: Front; left: string[]; sprag: Sprag }, ask: Ask) {
  expect(await ask('/api/notes')).toEqual({ path: '/api/notes' });
  front.expireSeen();
  const before = front.refreshes.length;
  const all = await Promise.all(['/api/a', '/api/b', '/api/c'].map(ask));
  expect(all.map((answer) => answer?.path)).toEqual(['/api/a', '/api/b', '/api/c']);
  expect(front.refreshes.slice(before)).toEqual([200]);
  expect(left).toEqual([]);
  await sprag.endSessions('ada');
  front.expireSeen();
  await ask('/api/d').catch(() => undefined);
  expect(left).toEqual(['/login']);
}

/** Svelte's own exports for pages, which a program of Node's is not given by the name alone. */
const svelteOfPages = (): Promise<typeof import('svelte')> =>
  import(new URL('clients/js/node_modules/svelte/src/index-client.js', ROOT).href);

const json = async (answer: Response) => (answer.ok ? ((await answer.json()) as { path: string }) : undefined);

describe('the front ends of before, in a few lines', () => {
  test('express-mongo', async () => {
    const it = await opened('express-mongo', { JWT_SECRET: SECRET }, (path) => path.startsWith('/api/auth/'));
    const { login, apiCall, logout, client, default: api } = await import('./snippets/from-express-mongo.js');
    expect(await patiently(() => login('ada@example.com', PASSWORD))).toMatchObject({ email: 'ada@example.com' });
    expect((await api.get('/notes')).data).toEqual({ path: '/api/notes' });
    await logout();
    expect([client.session.state, await it.sprag.sessions('ada')]).toEqual(['signed-out', 0]);
    await patiently(() => login('ada@example.com', PASSWORD));
    it.left.length = 0;
    await lives(it, async (path) => json(await apiCall(path)));
    expect(JSON.stringify([...it.storage])).not.toMatch(/eyJ|spr_/);
    client.close();
  });

  test('fastapi-events', async () => {
    const env = { JWT_SECRET_KEY: SECRET, JWT_ALGORITHM: 'HS256' };
    const it = await opened('fastapi-events', env, (path) => path.startsWith('/api/v1/auth/'));
    const { login, authenticatedRequest, logout, logoutAllDevices } = await import('./snippets/from-fastapi-events.js');
    await patiently(() => login('ada', PASSWORD));
    await logIn(it.sprag, 'ada');
    expect(await it.sprag.sessions('ada')).toBe(2);
    await logoutAllDevices();
    expect(await it.sprag.sessions('ada')).toBe(0);
    await patiently(() => login('ada', PASSWORD));
    await logout();
    expect(await it.sprag.sessions('ada')).toBe(0);
    await patiently(() => login('ada', PASSWORD));
    it.left.length = 0;
    await lives(it, async (path) => json(await authenticatedRequest(path)));
  });

  test('fastapi-monorepo, with the token that lay in the storage', async () => {
    const env = { JWT_SECRET_KEY: SECRET, JWT_ALGORITHM: 'HS256' };
    const it = await opened('fastapi-monorepo', env, (path) => path.startsWith('/auth/'));
    const { refresh_token: old } = await logIn(it.sprag, 'ada', '/auth/login');
    it.storage.set('refresh_token', old);
    const axios = (await import('axios')).default;
    const { login, logout } = await import('./snippets/from-fastapi-monorepo.js');
    const ask: Ask = async (path) => (await axios.get(it.front.url + path)).data;
    expect(await ask('/api/notes')).toEqual({ path: '/api/notes' });
    await logout();
    expect(await it.sprag.sessions('ada')).toBe(0);
    await patiently(() => login('ada', PASSWORD));
    it.left.length = 0;
    await lives(it, ask);
  });

  test('fastapi-template, with the token that lay in the storage', async () => {
    const env = { SECRET_KEY: SECRET, ALGORITHM: 'HS256' };
    const it = await opened('fastapi-template', env, (path) => path.startsWith('/api/v1/auth/'));
    it.storage.set('refresh_token', (await logIn(it.sprag, 'ada')).refresh_token);
    const { login, apiRequest, logout } = await import('./snippets/from-fastapi-template.js');
    expect(await json(await apiRequest('/api/notes'))).toEqual({ path: '/api/notes' });
    await logout();
    await patiently(() => login('ada', PASSWORD));
    it.left.length = 0;
    await lives(it, async (path) => json(await apiRequest(path)));
  });

  test('node-sequelize', async () => {
    const it = await opened('node-sequelize', { JWT_SECRET: SECRET }, (path) => path.startsWith('/auth/'));
    const { baseApi, client } = await import('./snippets/from-node-sequelize.js');
    const { configureStore } = await import('@reduxjs/toolkit');
    const store = configureStore({
      reducer: { [baseApi.reducerPath]: baseApi.reducer },
      middleware: (defaults) => defaults().concat(baseApi.middleware),
    });
    const { user } = await patiently(() => client.login({ email: 'ada@example.com', password: PASSWORD }));
    expect(user).toMatchObject({ email: 'ada@example.com' });
    await lives(it, async (path) => (await store.dispatch(baseApi.endpoints.note.initiate(path.slice(5)))).data);
  });
});

describe('the guides of frameworks', () => {
  const ours = (path: string) => path.startsWith('/api/v1/auth/');

  test('a page without any', async () => {
    const it = await opened('sprag', {}, ours);
    const { body } = document;
    const told: string[] = [];
    vi.stubGlobal('alert', (detail: string) => told.push(detail));
    const { client, logIn, loadNotes } = await import('./snippets/client.js');
    await patiently(() => logIn('ada', PASSWORD));
    expect(body.dataset['session']).toBe('signed-in');
    expect(await loadNotes()).toEqual({ path: '/api/notes' });
    it.front.expireSeen();
    expect(await loadNotes()).toEqual({ path: '/api/notes' });
    await it.sprag.endSessions('ada');
    it.front.expireSeen();
    await loadNotes();
    expect([body.dataset['session'], told.length]).toEqual(['signed-out', 1]);
    client.close();
  });

  test('axios', async () => {
    const it = await opened('sprag', {}, ours);
    const { login, notes, logout } = await import('./snippets/axios.js');
    await patiently(() => login('ada', PASSWORD));
    expect(await notes()).toEqual({ path: '/api/notes' });
    it.front.expireSeen();
    expect(await notes()).toEqual({ path: '/api/notes' });
    await logout();
    expect(await it.sprag.sessions('ada')).toBe(0);
  });

  test('RTK Query', async () => {
    const it = await opened('sprag', {}, ours);
    const { client, api, store } = await import('./snippets/rtk-query.js');
    await patiently(() => client.login({ username: 'ada', password: PASSWORD }));
    expect((await store.dispatch(api.endpoints.notes.initiate())).data).toEqual({ path: '/api/notes' });
    it.front.expireSeen();
    const again = store.dispatch(api.endpoints.notes.initiate(undefined, { forceRefetch: true }));
    expect((await again).data).toEqual({ path: '/api/notes' });
    await client.logout();
    expect(JSON.stringify(store.getState())).not.toContain('/api/notes');
  });

  /** A document, as frameworks look for one that is made of elements. */
  function withElements() {
    const window = new Window();
    const facts = window as unknown as Record<string, unknown>;
    vi.stubGlobal('window', window);
    const nodes = ['Node', 'Text', 'Comment', 'Element', 'HTMLElement', 'HTMLMediaElement', 'SVGElement', 'ShadowRoot'];
    for (const name of ['document', 'navigator', ...nodes]) vi.stubGlobal(name, facts[name]);
  }

  test('Vue', async () => {
    await opened('sprag', {}, ours);
    withElements();
    const { app, client } = await import('./snippets/vue.js');
    const place = document.createElement('div');
    // As a server makes it, which knows of nobody.
    place.innerHTML = '<button>Log in</button>';
    app.mount(place);
    expect(place.textContent).toBe('Log in');
    await patiently(() => client.login({ username: 'ada', password: PASSWORD }));
    await vi.waitFor(() => expect(place.textContent).toBe('Log out'));
    place.querySelector('button')?.click();
    await vi.waitFor(() => expect(place.textContent).toBe('Log in'));
    app.unmount();
    client.close();
  });

  test('Svelte', async () => {
    await opened('sprag', {}, ours);
    withElements();
    const { client, logIn } = await import('./snippets/client.js');
    const { default: Session } = (await import('./snippets/session.svelte' as string)) as { default: Component };
    const { mount, unmount } = await svelteOfPages();
    const target = document.createElement('div');
    const page = mount(Session, { target });
    expect(target.textContent).toBe('Log in');
    await patiently(() => logIn('ada', PASSWORD));
    await vi.waitFor(() => expect(target.textContent).toBe('Log out'));
    target.querySelector('button')?.click();
    await vi.waitFor(() => expect(target.textContent).toBe('Log in'));
    await unmount(page);
    client.close();
  });

  test('Express makes pages', async () => {
    const { sprag } = await opened('sprag', {}, ours);
    vi.unstubAllGlobals();
    process.env['SPRAG_URL'] = sprag.url;
    const { app } = await import('./snippets/express.js');
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const browser = new Browser();
    const body = new URLSearchParams({ username: 'ada', password: PASSWORD });
    await patiently(async () => {
      const { status } = await browser.send(`${url}/login`, { method: 'POST', body });
      if (status !== 303) throw Object.assign(new Error('busy'), { status: 503 });
    });
    browser.cookies.delete('__Host-sprag_access');
    expect(await (await browser.send(url)).text()).toBe('Hello ada');
    await browser.send(`${url}/logout`, { method: 'POST' });
    expect(await (await browser.send(url)).text()).toBe('Please log in');
    server.closeAllConnections();
  });

  test('jose verifies, by hand', async () => {
    const { sprag } = await opened('sprag', {}, ours);
    vi.unstubAllGlobals();
    process.env['ISSUER'] = sprag.url;
    const { verify } = await import('./snippets/jose.js');
    const { access_token: token } = await patiently(() => logIn(sprag, 'ada'));
    expect(await verify(token)).toMatchObject({ iss: sprag.url, client_id: 'sprag' });
    await expect(verify(`${token.slice(0, -8)}AAAAAAAA`)).rejects.toMatchObject({ code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
  });

  test('Fastify verifies', async () => {
    const { sprag } = await opened('sprag', {}, ours);
    vi.unstubAllGlobals();
    process.env['ISSUER'] = sprag.url;
    const { app } = await import('./snippets/fastify.js');
    const { access_token } = await patiently(() => logIn(sprag, 'ada'));
    const headers = { authorization: `Bearer ${access_token}` };
    expect((await app.inject({ url: '/api/notes', headers })).json()).toMatchObject({
      notes: ['Buy milk', 'Water the plants'],
    });
    expect((await app.inject({ url: '/api/notes' })).statusCode).toBe(401);
    await app.close();
  });
});
