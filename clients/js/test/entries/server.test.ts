import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createServer } from '../../src/server.js';
import * as profiles from '../../src/profiles.js';
import { createVerifier } from '../../src/verify.js';
import { ACCESS, accessIsOver, type App, LOG_IN, loggedIn, REFRESH, startApp, type Way, WAYS } from './app.js';
import { Browser } from './browser.js';
import { PASSWORD, SECRET, type Sprag, startSprag } from './sprag.js';

afterEach(() => vi.restoreAllMocks());

describe('an app that makes its pages on a server', () => {
  let sprag: Sprag;
  let app: App;
  beforeAll(async () => {
    sprag = await startSprag();
    for (const name of ['ada', 'ben', 'cleo', 'dora', 'eve', 'finn', 'gil', 'hal']) await sprag.createUser(name);
    app = await startApp(sprag);
  });
  afterAll(async () => {
    app?.close();
    await sprag?.stop();
  });

  test('scripts get no token: both are in cookies that they cannot read, and the answer has neither', async () => {
    const browser = new Browser();
    const body = JSON.stringify({ username: 'ada', password: PASSWORD });
    const answer = await browser.send(`${app.url}/login`, { ...LOG_IN, body });
    const said = await answer.text();
    expect(said).toContain('session_id');
    for (const name of [REFRESH, ACCESS]) {
      expect(said).not.toContain(browser.cookies.get(name));
      expect(browser.attributes.get(name)).toMatch(/^Path=\/; Max-Age=\d+; SameSite=Lax; Secure; HttpOnly$/);
    }
    expect(answer.headers.get('cache-control')).toBe('private, no-store');
    expect(await (await browser.send(`${app.url}/me`)).json()).toMatchObject({ username: 'ada' });
    expect(await (await browser.send(`${app.url}/state`)).json()).toMatchObject({ state: 'signed-in' });
  });

  test('one refresh for one request, however many components ask', async () => {
    const browser = await loggedIn(app, 'ben');
    const before = app.refreshes.length;
    await browser.send(`${app.url}/page`);
    expect(app.refreshes.length).toBe(before);
    accessIsOver(browser);
    const token = browser.cookies.get(REFRESH);
    expect(await (await browser.send(`${app.url}/page`)).json()).toEqual({ tokens: 1, has: true });
    expect(app.refreshes.length).toBe(before + 1);
    expect(browser.cookies.get(REFRESH)).not.toBe(token);
    await browser.send(`${app.url}/page`);
    expect(app.refreshes.length).toBe(before + 1);
  });

  test('requests at one moment share one refresh, and all of them get its cookies', async () => {
    const browser = await loggedIn(app, 'ben');
    accessIsOver(browser);
    const before = app.refreshes.length;
    const all = await Promise.all(Array.from({ length: 12 }, () => browser.send(`${app.url}/page`, {}, true)));
    // And one that left with the old cookie and came late.
    all.push(await browser.send(`${app.url}/page`, {}, true));
    const given = all.map(
      (answer) =>
        answer.headers
          .getSetCookie()
          .find((line) => line.startsWith(REFRESH))
          ?.split(';')[0],
    );
    expect(new Set(given).size).toBe(1);
    expect(given[0]).toBeDefined();
    expect(app.refreshes.length).toBe(before + 1);
  });

  test('the server is told which browser asks: its device cookie and its user agent', async () => {
    const browser = await loggedIn(app, 'cleo');
    const device = browser.cookies.get('__Host-sprag_known');
    expect(device).toBeDefined();
    accessIsOver(browser);
    await browser.send(`${app.url}/page`);
    const sent = app.refreshes.at(-1);
    const mark = browser.cookies.get(`${REFRESH}-device`);
    expect(mark).toMatch(/^.{36}$/);
    expect(sent?.get('cookie')).toBe(`__Host-sprag_known=${device}; ${REFRESH}-device=${mark}`);
    expect(sent?.get('sprag-instance')).toBe(mark);
    expect(sent?.get('user-agent')).toBe(browser.userAgent);
    expect(sent?.get('x-forwarded-for')).toMatch(/127\.0\.0\.1$/);
    const listed = await sprag.command(['session', 'list', '--user', 'cleo', '--json']);
    expect(listed).toContain('Firefox');
  });

  test('nothing is refreshed where cookies cannot be written: in read-only components, and once the headers are sent', async () => {
    const browser = await loggedIn(app, 'dora');
    accessIsOver(browser);
    const before = app.refreshes.length;
    const reading = app.auth.readOnly({ cookies: { get: (name) => browser.cookies.get(name) } });
    expect(await reading.accessToken()).toBeUndefined();
    expect(await reading.snapshot()).toEqual({ state: 'unknown' });
    expect(reading.canWrite).toBe(false);
    expect(await (await browser.send(`${app.url}/early`)).text()).toContain('undefined');
    expect(app.refreshes.length).toBe(before);
    expect(await (await browser.send(`${app.url}/page`)).json()).toEqual({ tokens: 1, has: true });
    // Now that there is one, components read it.
    expect(await reading.accessToken()).toBeUndefined();
    const later = app.auth.readOnly({ cookies: { get: (name) => browser.cookies.get(name) } });
    expect(await later.accessToken()).toBe(browser.cookies.get(ACCESS));
  });

  test('a server that cannot be reached, or says 503, costs nobody their session', async () => {
    const browser = await loggedIn(app, 'eve');
    accessIsOver(browser);
    const kept = browser.header;
    await sprag.kill();
    expect(await (await browser.send(`${app.url}/page`)).json()).toEqual({ code: 'unreachable' });
    expect(await (await browser.send(`${app.url}/state`)).json()).toEqual({ state: 'unknown' });
    for (const status of [503, 429, 408, 500, 200, 302]) {
      const says: typeof fetch = async () => new Response('<h1>a portal</h1>', { status });
      const auth = createServer({ url: sprag.url, fetch: says });
      const jar = { get: (name: string) => browser.cookies.get(name), set: () => expect.unreachable() };
      const session = auth.session({ cookies: jar, headers: {} });
      await expect(session.accessToken()).rejects.toMatchObject({ name: 'SpragError' });
      expect((await session.snapshot()).state).toBe('unknown');
    }
    expect(browser.header).toBe(kept);
    await sprag.start();
    expect(await (await browser.send(`${app.url}/page`)).json()).toEqual({ tokens: 1, has: true });
  });

  test('a session that was ended is known to be over, no cookie of a newer log-in is taken away, and the server is not asked again and again', async () => {
    const browser = await loggedIn(app, 'finn');
    accessIsOver(browser);
    await sprag.endSessions('finn');
    const before = app.refreshes.length;
    const answer = await browser.send(`${app.url}/state`);
    expect(await answer.json()).toEqual({ state: 'signed-out' });
    expect(answer.headers.getSetCookie()).toEqual([]);
    for (let times = 0; times < 5; times++) await browser.send(`${app.url}/page`);
    expect(app.refreshes.length).toBe(before + 1);
    await browser.send(`${app.url}/login`, {
      ...LOG_IN,
      body: JSON.stringify({ username: 'finn', password: PASSWORD }),
    });
    expect(await (await browser.send(`${app.url}/state`)).json()).toMatchObject({ state: 'signed-in' });
  });

  test('log-out ends the session and takes the cookies away, also while the server is away', async () => {
    const browser = await loggedIn(app, 'gil');
    expect(await sprag.sessions('gil')).toBe(1);
    expect((await browser.send(`${app.url}/logout`, { method: 'POST' })).status).toBe(204);
    expect(await sprag.sessions('gil')).toBe(0);
    expect([...browser.cookies.keys()].sort()).toEqual(['__Host-sprag_known', `${REFRESH}-device`]);
    expect(await (await browser.send(`${app.url}/state`)).json()).toEqual({ state: 'signed-out' });
  });

  test('a page of another origin logs nobody in or out', async () => {
    const browser = await loggedIn(app, 'gil');
    const strangers = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ];
    for (const headers of strangers) {
      const answer = await browser.send(`${app.url}/logout`, { method: 'POST', headers });
      expect([answer.status, await answer.json()]).toEqual([403, { code: 'origin_refused' }]);
    }
    expect(await sprag.sessions('gil')).toBe(1);
    const own = await browser.send(`${app.url}/logout`, { method: 'POST', headers: { origin: app.url } });
    expect(own.status).toBe(204);
  });

  test('an access token of another session than the refresh token is not believed', async () => {
    const [one, other] = [await loggedIn(app, 'hal'), await loggedIn(app, 'ada')];
    one.cookies.set(REFRESH, other.cookies.get(REFRESH) as string);
    expect(await (await one.send(`${app.url}/me`)).json()).toMatchObject({ username: 'ada' });
    // Without a refresh token there is no session, whatever lies about.
    one.cookies.delete(REFRESH);
    expect(await (await one.send(`${app.url}/state`)).json()).toEqual({ state: 'signed-out' });
  });

  test('what a page decides by is verified: a forged cookie opens nothing', async () => {
    const browser = await loggedIn(app, 'hal');
    const auth = createServer({ url: sprag.url, verifier: createVerifier({ issuer: sprag.url }) });
    const jar = { get: (name: string) => browser.cookies.get(name), set: () => undefined };
    const claims = await auth.session({ cookies: jar, headers: {} }).claims();
    expect(claims?.['client_id']).toBe('sprag');
    const [head, body, tag] = (browser.cookies.get(ACCESS) as string).split('.');
    const forged = { ...JSON.parse(Buffer.from(body as string, 'base64url').toString()), sub: 'somebody else' };
    const text = Buffer.from(JSON.stringify(forged)).toString('base64url');
    browser.cookies.set(ACCESS, `${head}.${text}.${tag}`);
    expect(await auth.readOnly({ cookies: { get: jar.get } }).claims()).toBeUndefined();
    expect((await auth.session({ cookies: jar, headers: {} }).claims())?.['sub']).toBe(claims?.['sub']);
  });

  test('an API that refuses the token is asked once more with a new one, body and all, and no other origin sees a token', async () => {
    const browser = await loggedIn(app, 'hal');
    const seen: { authorization: string | null; body: string }[] = [];
    const api: typeof fetch = async (input, init) => {
      const request = new Request(input as Request, init);
      if (request.url.startsWith(sprag.url)) return fetch(request);
      seen.push({ authorization: request.headers.get('authorization'), body: await request.text() });
      return new Response('', { status: seen.length === 1 ? 401 : 200 });
    };
    const auth = createServer({ url: sprag.url, fetch: api, origins: ['https://api.example'] });
    const jar = { get: (name: string) => browser.cookies.get(name), set: () => undefined };
    const session = auth.session({ cookies: jar, headers: {} });
    expect((await session.fetch('https://api.example/notes', { method: 'POST', body: 'a note' })).status).toBe(200);
    expect(seen.map(({ body }) => body)).toEqual(['a note', 'a note']);
    expect(seen[0]?.authorization).not.toBe(seen[1]?.authorization);
    await session.fetch('https://api.example.evil.example/notes');
    expect(seen.at(-1)?.authorization).toBeNull();
  });

  test('handlers of the web and stores of cookies do the same', async () => {
    const browser = await loggedIn(app, 'ada');
    accessIsOver(browser);
    const request = new Request('http://app.example/page', { headers: { cookie: browser.header } });
    const web = app.auth.fromRequest(request);
    const token = await web.session.accessToken();
    expect(web.cookieHeader()).toContain(`${ACCESS}=${token}`);
    const headers = new Headers({ 'set-cookie': 'theme=dark' });
    web.applyTo(headers);
    expect(headers.getSetCookie()[0]).toBe('theme=dark');
    expect(headers.getSetCookie().length).toBe(3);
    expect(headers.get('cache-control')).toBe('private, no-store');
    browser.take(headers);

    const written = new Map<string, object>();
    const store = {
      get: (name: string) => (browser.cookies.has(name) ? { value: browser.cookies.get(name) as string } : undefined),
      set: (name: string, _value: string, attributes: object) => void written.set(name, attributes),
    };
    expect(await app.auth.fromStore(store, new Headers()).accessToken()).toBe(token);
    accessIsOver(browser);
    expect(await app.auth.fromStore(store, new Headers()).accessToken()).toBeDefined();
    expect(written.get(ACCESS)).toMatchObject({ path: '/', httpOnly: true, secure: true, sameSite: 'lax' });
  });
});

describe('an answer that never reached the browser', () => {
  let sprag: Sprag;
  beforeAll(async () => {
    // The strictest setting there is: a spent token is reuse at once, unless its request is known for the same one.
    sprag = await startSprag({ env: { SPRAG_REUSE_INTERVAL: '0s' } });
    for (const name of ['ada', 'ben', 'cleo', 'dora', 'eve', 'finn', 'gil', 'hal', 'ida', 'jon', 'kim']) await sprag.createUser(name);
  });
  afterAll(() => sprag?.stop());

  /** The page was left while it was made; the browser comes back with the old cookie, an hour later. */
  async function comesBackLate(app: App, browser: Browser, way: Way = 'node') {
    accessIsOver(browser);
    const leaving = new AbortController();
    const left = browser.send(`${app.url}/${way}/held`, { signal: leaving.signal }).catch((error) => error.name);
    await vi.waitUntil(() => app.held.times > 0, { timeout: 60_000, interval: 1 });
    leaving.abort();
    expect(await left).toBe('AbortError');
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
  }

  test.each(WAYS)('is given once more, however late, and nobody is logged out: %s', async (way) => {
    const app = await startApp(sprag);
    const name = { node: 'ada', request: 'hal', store: 'ida' }[way];
    const browser = await loggedIn(app, name);
    const old = browser.cookies.get(REFRESH);
    await comesBackLate(app, browser, way);
    expect(browser.cookies.get(REFRESH)).toBe(old);
    // Meanwhile it was updated: the server knows it by its device cookie.
    browser.userAgent = 'Another/1';
    expect(await (await browser.send(`${app.url}/${way}/page`)).json()).toEqual({ tokens: 1, has: true });
    expect(app.refreshes.length).toBe(2);
    expect(app.refreshes[0]?.get('idempotency-key')).toBe(app.refreshes[1]?.get('idempotency-key'));
    expect(browser.cookies.get(REFRESH)).not.toBe(old);
    for (let times = 0; times < 3; times++) {
      accessIsOver(browser);
      expect(await (await browser.send(`${app.url}/${way}/page`)).json()).toEqual({ tokens: 1, has: true });
    }
    expect(await sprag.sessions(name)).toBe(1);
    app.close();
  });

  test('is given once more by another process of an app that has a secret', async () => {
    const secret = 'the same thirty-two characters in every process';
    const [one, other] = [await startApp(sprag, { secret }), await startApp(sprag, { secret })];
    const browser = await loggedIn(one, 'eve');
    await comesBackLate(one, browser);
    Reflect.deleteProperty(globalThis, Symbol.for('sprag-client/server 4'));
    expect(await (await browser.send(`${other.url}/page`)).json()).toEqual({ tokens: 1, has: true });
    expect(other.refreshes.length).toBe(1);
    accessIsOver(browser);
    expect(await (await browser.send(`${one.url}/page`)).json()).toEqual({ tokens: 1, has: true });
    expect(await sprag.sessions('eve')).toBe(1);
    one.close();
    other.close();
  });

  test('makes no theft of a log-out that comes instead', async () => {
    const app = await startApp(sprag);
    const browser = await loggedIn(app, 'gil');
    await comesBackLate(app, browser);
    expect((await browser.send(`${app.url}/logout`, { method: 'POST' })).status).toBe(204);
    const told = JSON.parse(await sprag.command(['audit', 'list', '--account', 'gil', '--json']));
    expect(told.map(({ cause }: { cause: string | null }) => cause).filter(Boolean)).toEqual(['logout']);
    app.close();
  });

  test.each(WAYS)('is there at once for who reloads: leaving a page breaks no refresh off: %s', async (way) => {
    const app = await startApp(sprag);
    const name = { node: 'dora', request: 'jon', store: 'kim' }[way];
    const browser = await loggedIn(app, name);
    accessIsOver(browser);
    const leaving = new AbortController();
    const left = browser.send(`${app.url}/${way}/page`, { signal: leaving.signal }).catch((error) => error.name);
    await vi.waitUntil(() => app.refreshes.length > 0, { timeout: 60_000, interval: 1 });
    leaving.abort();
    await left;
    expect(await (await browser.send(`${app.url}/${way}/page`)).json()).toEqual({ tokens: 1, has: true });
    expect(app.refreshes.length).toBe(1);
    expect(await sprag.sessions(name)).toBe(1);
    app.close();
  });

  test('would end the session if each request had an id of its own', async () => {
    const forgetful = { claim: (_key: string, id: string) => id, forget: () => undefined };
    const app = await startApp(sprag, { memory: forgetful });
    const browser = await loggedIn(app, 'ben');
    await comesBackLate(app, browser);
    expect(await (await browser.send(`${app.url}/state`)).json()).toEqual({ state: 'signed-out' });
    expect(await sprag.sessions('ben')).toBe(0);
    app.close();
  });

  test.each([
    ['cleo', {}],
    ['finn', { secret: 'with a secret of thirty-two characters too' }],
  ])('a token that is shown again after its successor was seen is a thief, and is told to the server as one: %s', async (name, more) => {
    const app = await startApp(sprag, more);
    const browser = await loggedIn(app, name);
    const stolen = new Map(browser.cookies);
    stolen.delete(ACCESS);
    accessIsOver(browser);
    await browser.send(`${app.url}/page`);
    accessIsOver(browser);
    await browser.send(`${app.url}/page`);
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
    const thief = new Browser();
    for (const [name, value] of stolen) thief.cookies.set(name, value);
    expect(await (await thief.send(`${app.url}/state`)).json()).toEqual({ state: 'signed-out' });
    expect(await sprag.sessions(name)).toBe(0);
    app.close();
  });
});

describe('every profile', () => {
  const all = [
    ['sprag', profiles.sprag, {}, 'username'],
    ['fastapi-events', profiles.fastapiEvents, { JWT_SECRET_KEY: SECRET, JWT_ALGORITHM: 'HS256' }, 'username'],
    ['fastapi-monorepo', profiles.fastapiMonorepo, { JWT_SECRET_KEY: SECRET, JWT_ALGORITHM: 'HS256' }, 'username'],
    ['fastapi-template', profiles.fastapiTemplate, { SECRET_KEY: SECRET, ALGORITHM: 'HS256' }, 'username'],
    ['express-mongo', profiles.expressMongo, { JWT_SECRET: SECRET }, 'email'],
    ['node-sequelize', profiles.nodeSequelize, { JWT_SECRET: SECRET }, 'email'],
  ] as const;

  test.each(all)('%s: log-in, refreshes at one moment, log-out', async (name, profile, env, field) => {
    const sprag = await startSprag({ profile: name, env });
    const app = await startApp(sprag, { profile });
    try {
      await sprag.createUser('ada');
      const browser = new Browser();
      const body = JSON.stringify({ [field]: field === 'email' ? 'ada@example.com' : 'ada', password: PASSWORD });
      const answer = await browser.send(`${app.url}/login`, { ...LOG_IN, body });
      const said = await answer.text();
      expect(answer.status, said).toBe(200);
      expect(said).not.toContain(browser.cookies.get(REFRESH));
      expect(said).not.toContain(browser.cookies.get(ACCESS));
      for (let times = 0; times < 3; times++) {
        accessIsOver(browser);
        const old = browser.cookies.get(REFRESH);
        const pages = await Promise.all([1, 2, 3].map(() => browser.send(`${app.url}/page`)));
        for (const page of pages) expect(await page.json()).toEqual({ tokens: 1, has: true });
        if (times === 0) expect(browser.cookies.get(REFRESH)).not.toBe(old);
      }
      expect((await browser.send(`${app.url}/logout`, { method: 'POST' })).status).toBe(204);
      expect(await sprag.sessions('ada')).toBe(0);
    } finally {
      app.close();
      await sprag.stop();
    }
  });
});
