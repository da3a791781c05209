import { afterEach, describe, expect, it, vi } from 'vitest';

import * as profiles from '../src/profiles.js';
import { besideServer, createClient, readToken, type Profile, type SpragError } from '../src/index.js';
import { json, opaque } from './ratchet.js';
import { browser, MINUTE, pass, SharedStorage, URL_OF_SERVER } from './tabs.js';

afterEach(() => void vi.useRealTimers());

const LOGIN = { username: 'ann', password: 'a long password' };
const LOST = { lose: 'request' as const };
const quiet = { ahead: false };

it('a log-out that is answered late does not take the cookie of the next log-in away', async () => {
  const { server, tab } = browser({ mode: 'cookie' });
  const client = tab({ ahead: false });
  await client.login(LOGIN);
  server.next('/logout', { after: 500 });
  const out = client.logout();
  await pass(200);
  await client.login(LOGIN);
  await pass(5_000);
  await out;
  expect(await client.refresh()).toBeTruthy();
  expect(client.session.state).toBe('signed-in');
});

it('a refresh that begins beside a log-out does not undo it', async () => {
  const { server, storage, tab } = browser({ mode: 'cookie' });
  const later = async <T>(call: () => T): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return call();
  };
  const slow = {
    getItem: (key: string) => later(() => storage.getItem(key)),
    setItem: (key: string, value: string) => later(() => storage.setItem(key, value)),
    removeItem: (key: string) => later(() => storage.removeItem(key)),
  };
  const client = tab({ ahead: false, storage: slow });
  const entered = client.login(LOGIN);
  await pass(1_000);
  await entered;
  server.next('/logout', ...Array.from({ length: 9 }, () => ({ lose: 'request' }) as const));
  const asked = [client.logout(), client.refresh()].map((each) => each.catch(() => undefined));
  await pass(60_000);
  await Promise.all(asked);
  expect(client.session.state).toBe('signed-out');
  expect(storage.kept()).toHaveProperty('l');
});

describe('a log-out that is under way', () => {
  it.each([
    ['is tried again', LOST],
    ['is answered late', { after: 3000 }],
  ])('and %s does not end the next log-in', async (_, fate) => {
    const { server, tab } = browser({ mode: 'cookie' });
    const client = tab(quiet);
    await client.login(LOGIN);
    server.next('/logout', fate);
    const out = client.logout();
    await pass(10);
    await client.login(LOGIN);
    await pass(30_000);
    await out;
    const session = client.session.current.id!;
    expect(server.rows.get(session)!.ended).toBeUndefined();
    expect(readToken(server.cookie)?.session).toBe(session);
    expect(client.session.state).toBe('signed-in');
  });

  it.each([true, false])('does not end a log-in in another tab (channels: %s)', async (channels) => {
    const { server, tab } = browser({ mode: 'cookie', channels });
    const [one, two] = [tab(quiet), tab(quiet)];
    await one.login(LOGIN);
    await pass();
    server.next('/logout', LOST);
    const out = one.logout();
    await pass(10);
    await two.login(LOGIN);
    await pass(30_000);
    await out;
    const session = two.session.current.id!;
    expect(server.rows.get(session)!.ended).toBeUndefined();
    expect(readToken(server.cookie)?.session).toBe(session);
    expect(one.session.current.id).toBe(session);
  });

  it('goes on where the log-in came to nothing', async () => {
    const { server, tab } = browser({ mode: 'cookie' });
    const client = tab(quiet);
    await client.login(LOGIN);
    const first = client.session.current.id!;
    server.next('/logout', LOST);
    const out = client.logout();
    await pass(10);
    server.next('/login', { answer: () => json(401, { code: 'credentials_invalid', detail: 'wrong' }) });
    await expect(client.login(LOGIN)).rejects.toMatchObject({ code: 'credentials_invalid' });
    await pass(5000);
    await out;
    expect(server.rows.get(first)!.ended).toBe('logout');
  });

  it.each([
    ['by a client that refreshes ahead of time', {}],
    ['by one that does not', { ahead: false }],
  ])('and never got through is told at the next start %s, and nobody is signed in by its cookie until then', async (_, how) => {
    const { server, storage, tab } = browser({ mode: 'cookie' });
    const client = tab(how);
    await client.login(LOGIN);
    const first = client.session.current.id!;
    server.next('/logout', ...Array(6).fill(LOST));
    const out = client.logout().catch((error: SpragError) => error.code);
    await pass(10_000);
    expect(await out).toBe('unreachable');
    expect(await client.refresh()).toBeUndefined();
    expect(server.refreshes()).toHaveLength(0);
    client.close();
    server.fates.clear();
    const next = tab(how);
    await pass(1000);
    expect(server.rows.get(first)!.ended).toBe('logout');
    expect(next.session.state).toBe('signed-out');
    expect(storage.kept()).not.toHaveProperty('l');
    const told = server.asked.filter(({ path }) => path.endsWith('/logout')).length;
    tab();
    await pass(10 * MINUTE);
    expect(server.asked.filter(({ path }) => path.endsWith('/logout'))).toHaveLength(told);
  });
});

describe('a log-out whose token was turned by a refresh that was never answered', () => {
  it.each([
    ['body', 60 * MINUTE],
    ['cookie', 60 * MINUTE],
    ['body', 3 * 24 * 60 * MINUTE],
    ['cookie', 3 * 24 * 60 * MINUTE],
  ] as const)('is told as one, in %s mode, %d ms later', async (mode, later) => {
    const { server, tab } = browser({ mode });
    const client = tab(quiet);
    await client.login(LOGIN);
    await client.refresh();
    await pass(MINUTE);
    server.next('/refresh', { lose: 'answer' }, LOST, LOST);
    const lost = client.refresh().catch((error: SpragError) => error.code);
    await pass(10_000);
    expect(await lost).toBe('unreachable');
    await pass(later);
    await client.logout();
    expect([...server.rows.values()].map(({ ended }) => ended)).toEqual(['logout']);
  });

  it('is not believed to be told by a portal that says anything', async () => {
    const { server, storage, tab } = browser({ mode: 'cookie' });
    const client = tab(quiet);
    await client.login(LOGIN);
    const page = '<html>Welcome to the hotel</html>';
    server.next('/logout', ...[200, 401, 200].map((status) => ({ answer: () => new Response(page, { status }) })));
    const out = client.logout().catch((error: SpragError) => error.code);
    await pass(10_000);
    expect(await out).toBe('refused');
    expect(storage.kept()).toHaveProperty('l');
    expect([...server.rows.values()][0]!.ended).toBeUndefined();
  });
});

describe('a session that is being replaced', () => {
  it.each(['password', 'step-up', 'login'])('by a %s keeps its cookie, though another tab’s refresh is answered late', async (what) => {
    const { server, tab } = browser({ mode: 'cookie' });
    const [one, two] = [tab(quiet), tab(quiet)];
    await one.login(LOGIN);
    await pass();
    const out = vi.fn();
    two.onSignedOut(out);
    server.next('/refresh', { after: 4000 });
    const late = two.refresh();
    await pass(10);
    if (what === 'password') await one.changePassword('old', 'new one');
    else if (what === 'login') await one.login(LOGIN);
    else await one.stepUp({ password: 'old' });
    const session = one.session.current.id;
    await pass(10_000);
    expect(readToken(server.cookie)?.session).toBe(session);
    expect(await late).toBeTruthy();
    expect(two.session.current).toMatchObject({ state: 'signed-in', id: session });
    expect(out).not.toHaveBeenCalled();
  });

  it.each([
    ['body', true],
    ['body', false],
    ['cookie', true],
    ['cookie', false],
  ] as const)('slowly, with a lost answer, signs no other tab out: %s mode, channels: %s', async (mode, channels) => {
    const { server, tab } = browser({ mode, channels });
    const [one, two] = [tab(quiet), tab(quiet)];
    await one.login(LOGIN);
    const first = two.refresh();
    await pass(5000);
    await first;
    const out = vi.fn();
    two.onSignedOut(out);
    server.next('/step-up', { lose: 'answer' }, { hang: true }, {
      answer: () => {
        const { session, token } = server.open();
        if (mode === 'cookie') server.cookie = token;
        return json(200, { access_token: `${session}.e30.x`, refresh_token: token, session_id: session, expires_in: 900 });
      },
    });
    const change = one.stepUp({ password: 'old' });
    await pass(100);
    const other = two.refresh();
    await pass(25_000);
    await change;
    await pass(5000);
    expect(await other).toBeTruthy();
    expect(out).not.toHaveBeenCalled();
    expect(two.session.current.id).toBe(one.session.current.id);
  });

  it('by a tab that was closed meanwhile holds the others for 27 s at most', async () => {
    const { server, storage, tab } = browser();
    const client = tab(quiet);
    await client.login(LOGIN);
    storage.setItem('sprag', JSON.stringify({ ...storage.kept(), b: Date.now() + 0.5 }));
    const asked = client.refresh();
    await pass(26_000);
    expect(server.refreshes()).toHaveLength(0);
    await pass(2000);
    expect(await asked).toBeTruthy();
  });

  it.each(Object.entries(profiles))('is not believed to be over at the first word of it: %s', async (_, profile: Profile) => {
    const { server } = browser();
    const { routes, answer, refusal } = profile;
    const tokens = (generation: number): object => ({ [answer.access]: `a${generation}`, [answer.refresh]: opaque('00000000-0000-7000-8000-000000000001', generation) });
    const refused = (): Response =>
      json(401, { ...(refusal.code && { [refusal.code]: 'session_ended' }), [refusal.message]: 'this session has ended: another took its place' });
    let turns = 0;
    const ask = async (input: unknown): Promise<Response> =>
      String(input).endsWith(routes.refresh) && (turns += 1) === 1 ? refused() : json(200, tokens(turns));
    const client = createClient({ url: URL_OF_SERVER, mode: 'body', profile, storage: browser().storage, ahead: false, fetch: ask as typeof fetch });
    await client.login(LOGIN);
    const out = vi.fn();
    client.onSignedOut(out);
    const asked = client.refresh();
    await pass(5000);
    expect(await asked).toBe('a2');
    expect(out).not.toHaveBeenCalled();
    expect(server.asked).toHaveLength(0);
  });

  it('one action after the other, each by the session that the one before made', async () => {
    const { server, tab } = browser();
    const client = tab(quiet);
    await client.login(LOGIN);
    await Promise.all([client.stepUp({ password: 'old' }), client.stepUp({ password: 'old' })]);
    expect(client.session.state).toBe('signed-in');
    expect([...server.rows.values()].map(({ ended }) => ended)).toEqual(['replaced', 'replaced', undefined]);
  });
});

describe('in cookie mode', () => {
  it('an answer counts although another tab believed a refusal meanwhile', async () => {
    const { server, tab } = browser({ mode: 'cookie' });
    const [one, two] = [tab(quiet), tab(quiet)];
    await one.login(LOGIN);
    await pass();
    const strange = { answer: () => json(401, { code: 'token_invalid', detail: 'not ours' }) };
    server.next('/refresh', { after: 4000 }, strange, strange);
    const slow = one.refresh();
    await pass(10);
    const refused = two.refresh();
    await pass(3000);
    expect(await refused).toBeUndefined();
    await pass(2000);
    expect(await slow).toBeTruthy();
    expect([one.session.state, two.session.state]).toEqual(['signed-in', 'signed-in']);
  });

  it('a page that nobody sees yet knows at its start whether somebody is signed in', async () => {
    const { server, tab } = browser({ mode: 'cookie' });
    vi.stubGlobal('document', { hidden: true });
    server.cookie = server.open().token;
    const client = tab();
    await pass(100);
    await client.ready;
    expect(client.session.state).toBe('signed-in');
    const other = tab({ ...quiet, name: 'other' });
    await pass(100);
    await other.ready;
    expect(other.session.state).toBe('signed-in');
  });
});

describe('where neither a document nor a location is', () => {
  it.each(['', 'http://auth.test'])('a cookie-mode client of %j is made, asks nothing and says nothing about anybody', async (url) => {
    const { server } = browser();
    vi.stubGlobal('document', undefined);
    vi.stubGlobal('addEventListener', undefined);
    vi.stubGlobal('BroadcastChannel', class { constructor() { throw new Error('no channel here'); } });
    const client = createClient({ url, mode: 'cookie', fetch: server.fetch });
    await client.ready;
    await pass(MINUTE);
    expect(server.asked).toEqual([]);
    expect(client.session.current).toEqual({ state: 'unknown' });
    expect(client.allows('/things')).toBe(false);
  });
});

describe('tries', () => {
  it('of a log-out are three, also after refreshes that failed', async () => {
    const { server, tab } = browser();
    const client = tab(quiet);
    await client.login(LOGIN);
    server.next('/refresh', LOST, LOST, LOST);
    const failed = client.refresh().catch(() => 'failed');
    await pass(10_000);
    expect(await failed).toBe('failed');
    server.next('/logout', LOST, LOST);
    const out = client.logout();
    await pass(10_000);
    await out;
    expect([...server.rows.values()][0]!.ended).toBe('logout');
  });

  it('of a step-up that is refused are one', async () => {
    const { server, tab } = browser();
    const client = tab(quiet);
    await client.login(LOGIN);
    server.next('/step-up', ...Array(3).fill({ answer: () => json(401, { code: 'second_factor_required', detail: 'a code please' }) }));
    const refused = client.stepUp({ password: 'x' }).catch((error: SpragError) => error.code);
    await pass(10_000);
    expect(await refused).toBe('second_factor_required');
    expect(server.asked.filter(({ path }) => path.endsWith('/step-up'))).toHaveLength(1);
  });

  it('of a refresh go on while a password change has to wait', async () => {
    const { server, tab } = browser();
    const client = tab(quiet);
    await client.login(LOGIN);
    server.next('/password', { answer: () => json(429, { code: 'rate_limited', detail: 'wait' }, { 'Retry-After': '600' }) });
    await expect(client.changePassword('a', 'b')).rejects.toMatchObject({ code: 'rate_limited', retryAfter: 600 });
    expect(await client.refresh()).toBeTruthy();
  });
});

describe('from one person to another', () => {
  it('there is an end, also for a tab that slept through it', async () => {
    const { server, tab } = browser({ channels: false });
    const [one, two] = [tab(quiet), tab(quiet)];
    await one.login(LOGIN);
    await two.refresh();
    const out = vi.fn();
    two.onSignedOut(out);
    await one.logout();
    server.person = 'bob';
    await one.login({ username: 'bob', password: 'another long one' });
    expect(await two.refresh()).toBeTruthy();
    expect(out).toHaveBeenCalledTimes(1);
    expect(two.session.current).toMatchObject({ state: 'signed-in', claims: { sub: 'bob' } });
  });

  it('but none from one session of a person to the next', async () => {
    const { tab } = browser({ channels: false });
    const [one, two] = [tab(quiet), tab(quiet)];
    await one.login(LOGIN);
    await two.refresh();
    const out = vi.fn();
    two.onSignedOut(out);
    await one.stepUp({ password: 'x' });
    expect(await two.refresh()).toBeTruthy();
    expect(out).not.toHaveBeenCalled();
  });

  it('no request is repeated', async () => {
    const { server, tab } = browser({ channels: false });
    const [one, two] = [tab(quiet), tab(quiet)];
    await one.login(LOGIN);
    await two.refresh();
    await one.logout();
    server.person = 'bob';
    await one.login({ username: 'bob', password: 'another long one' });
    server.next('/things', { answer: () => json(401, { detail: 'expired' }) });
    const answer = await two.fetch('http://auth.test/things', { method: 'POST', body: '{"from":"ann"}' });
    expect(answer.status).toBe(401);
    expect(server.asked.filter(({ path }) => path === '/things')).toHaveLength(1);
  });
});

describe('a storage', () => {
  it('that fills up raises no alarm over a reload', async () => {
    const { server, storage, tab } = browser();
    const client = tab(quiet);
    await client.login(LOGIN);
    storage.blocked = 'writes';
    for (let turn = 0; turn < 3; turn += 1) {
      await client.refresh();
      await pass(5 * MINUTE);
    }
    client.close();
    storage.blocked = undefined;
    const next = tab(quiet);
    await next.refresh();
    expect([...server.rows.values()].map(({ ended }) => ended)).toEqual([undefined]);
  });

  it('that is full of the text of before takes the next one in its place', async () => {
    const { storage, tab } = browser();
    const client = tab(quiet);
    await client.login(LOGIN);
    const set = storage.setItem.bind(storage);
    storage.setItem = (key, value) => {
      if (storage.items.has(key)) throw new DOMException('full', 'QuotaExceededError');
      set(key, value);
    };
    await client.refresh();
    expect(readToken(storage.kept()['t'])?.generation).toBe(1);
  });

  it('of before is taken over under one id and one instance by tabs that open at once', async () => {
    const { server, storage, tab } = browser();
    const { token } = server.open();
    storage.items.set('old', token);
    const slow = (wait: number) => ({
      getItem: async (key: string) => (await new Promise((go) => setTimeout(go, wait)), storage.getItem(key)),
      setItem: async (key: string, value: string) => (await new Promise((go) => setTimeout(go, 30 - wait)), storage.setItem(key, value)),
      removeItem: (key: string) => storage.removeItem(key),
    });
    const tabs = [5, 12, 20].map((wait) => tab({ ...quiet, importFrom: 'old', storage: slow(wait) }));
    const asked = tabs.map((each) => each.refresh());
    await pass(10_000);
    expect((await Promise.all(asked)).every(Boolean)).toBe(true);
    for (const header of ['Idempotency-Key', 'Sprag-Instance'])
      expect(new Set(server.refreshes().filter(({ body }) => body!['refresh_token'] === token).map(({ headers }) => headers.get(header))).size).toBe(1);
  });

  it('of a tab’s own keeps the tab apart', async () => {
    const { server, tab } = browser();
    // Each tab has one, under the same name.
    const own = () => {
      const storage = new SharedStorage();
      vi.stubGlobal('sessionStorage', storage);
      return tab({ ...quiet, storage });
    };
    const [one, two] = [own(), own()];
    await one.login(LOGIN);
    await pass();
    expect(two.session.state).toBe('signed-out');
    expect(server.rows.size).toBe(1);
  });

  it('beside a server that makes the pages shares the retry id in a cookie', async () => {
    const { server, storage } = browser({ mode: 'cookie' });
    const page = { hidden: false, cookie: '' };
    vi.stubGlobal('document', page);
    vi.stubGlobal('localStorage', storage);
    const client = createClient({ url: URL_OF_SERVER, mode: 'cookie', storage: besideServer(), fetch: server.fetch, ...quiet });
    await client.login(LOGIN);
    const [, id] = /^sprag_retry=(\w+);path=\/;/.exec(page.cookie)!;
    expect(id).toBe(storage.kept()['r']);
    // The server of the pages asked meanwhile, and its answer with the next id arrived.
    page.cookie = 'sprag_retry2=another; theme=dark; sprag_retry=of_the_pages_server';
    await client.refresh();
    expect(server.refreshes().map(({ headers }) => headers.get('Idempotency-Key'))).toEqual(['of_the_pages_server']);
    expect(page.cookie).toMatch(/^sprag_retry=[0-9a-f]{32};/);
    await client.logout();
    expect(page.cookie).toMatch(/^sprag_retry=;path=\/;max-age=0;/);
  });

  it('beside a server that makes the pages knows of a log-in there, also after a log-out here', async () => {
    const { server, storage } = browser({ mode: 'cookie' });
    const page = { hidden: false, cookie: '' };
    vi.stubGlobal('document', page);
    vi.stubGlobal('localStorage', storage);
    const open = () => createClient({ url: URL_OF_SERVER, mode: 'cookie', storage: besideServer(), fetch: server.fetch, ...quiet });
    const client = open();
    await client.login(LOGIN);
    await client.logout();
    page.cookie = '';
    expect(await client.accessToken()).toBeUndefined();
    const { session, token } = server.open();
    [server.cookie, page.cookie] = [token, 'sprag_retry=of_the_pages_server'];
    expect(await client.accessToken()).toBeTruthy();
    expect(client.session.current).toMatchObject({ state: 'signed-in', id: session });
    expect(server.refreshes().map(({ headers }) => headers.get('Idempotency-Key'))).toEqual(['of_the_pages_server']);
  });

  it('beside a server that makes the pages does without `localStorage` where that is blocked', async () => {
    const { server, storage } = browser({ mode: 'cookie' });
    const page = { hidden: false, cookie: '' };
    storage.blocked = 'reads and writes';
    vi.stubGlobal('document', page);
    vi.stubGlobal('localStorage', storage);
    const client = createClient({ url: URL_OF_SERVER, mode: 'cookie', storage: besideServer(), fetch: server.fetch, ...quiet });
    await client.login(LOGIN);
    expect(page.cookie).toMatch(/^sprag_retry=\w+;/);
    page.cookie = 'sprag_retry=of_the_pages_server';
    await client.refresh();
    expect(server.refreshes()[0]!.headers.get('Idempotency-Key')).toBe('of_the_pages_server');
    expect(client.session.state).toBe('signed-in');
  });
});

describe('a base element', () => {
  it('leads neither the calls to the server nor a token elsewhere', async () => {
    const { server, tab } = browser();
    vi.stubGlobal('document', { hidden: false, baseURI: 'https://cdn.test/assets/' });
    vi.stubGlobal('location', { href: 'http://auth.test/page', origin: 'http://auth.test', protocol: 'http:' });
    vi.stubGlobal('origin', 'http://auth.test');
    const asked: string[] = [];
    const client = tab({ ...quiet, url: '', fetch: (input, init) => (asked.push(String(input)), server.fetch(input, init)) });
    await client.login(LOGIN);
    expect(asked).toEqual(['http://auth.test/api/v1/auth/login']);
    await client.fetch('/things');
    expect(server.asked.at(-1)!.headers.has('Authorization')).toBe(false);
    await client.fetch('http://auth.test/things');
    expect(server.asked.at(-1)!.headers.has('Authorization')).toBe(true);
  });

  it('and an origin that is anybody’s is nobody’s', () => {
    const { tab } = browser();
    vi.stubGlobal('location', { href: 'file:///app/index.html', origin: 'null', protocol: 'file:' });
    vi.stubGlobal('origin', 'null');
    expect(tab({ ...quiet, url: '' }).allows('other:thing')).toBe(false);
  });
});
