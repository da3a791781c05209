// Under which id an app's server asks for a refresh, with a session server that a test plays.

import { afterEach, expect, test, vi } from 'vitest';
import { createServer, type RetryMemory, type ServerOptions } from '../../src/server.js';

const REFRESH = '__Host-sprag_refresh';
const DEVICE = `${REFRESH}-device`;
const SECRET = 'thirty-two characters, or longer than that';

/** As after a restart, or in another process. */
const forgetAll = () => Reflect.deleteProperty(globalThis, Symbol.for('sprag-client/server 4'));
afterEach(() => {
  forgetAll();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** An app in front of a server that answers every refresh, unless it is away. */
function app(more: Partial<ServerOptions> = {}) {
  const ids: string[] = [];
  const facts = { isAway: false, instead: undefined as (() => Response) | undefined, ids };
  const fetch = async (_: unknown, init?: RequestInit) => {
    ids.push(new Headers(init?.headers).get('idempotency-key') as string);
    if (facts.isAway) throw new TypeError('fetch failed');
    if (facts.instead) return facts.instead();
    const turned = `${JSON.parse(String(init?.body)).refresh_token}+`;
    return Response.json({ access_token: 'a.b.c', refresh_token: turned, expires_in: 300 });
  };
  const auth = createServer({ url: 'http://sprag.example', fetch: fetch as typeof globalThis.fetch, ...more });
  /** A request of a browser's with these cookies; gives the refresh token that it has then. */
  const ask = async (token: string, device = 'a browser') => {
    const jar = new Map([
      [REFRESH, token],
      [DEVICE, device],
    ]);
    const cookies = { get: (name: string) => jar.get(name), set: (name: string, value: string) => void jar.set(name, value) };
    await auth.session({ cookies, headers: {} }).accessToken();
    return jar.get(REFRESH) as string;
  };
  return Object.assign(facts, { ask });
}

const fails = (asked: Promise<unknown>) => expect(asked).rejects.toMatchObject({ name: 'SpragError', code: 'unreachable' });

/** The time that has passed for whoever asks by `performance.now()`. */
function wound() {
  const [now, clock] = [performance.now.bind(performance), { passed: 0 }];
  vi.spyOn(performance, 'now').mockImplementation(() => now() + clock.passed);
  return clock;
}

test.each([
  ['as long as it says', '5', 5_000],
  ['but for twelve seconds at most', '3600', 12_000],
])('a server that wants to be left alone is asked by one request of many, %s', async (_, said, wait) => {
  const clock = wound();
  const busy = { code: 'unavailable', detail: 'the service cannot answer just now' };
  const it = app();
  it.instead = () => Response.json(busy, { status: 503, headers: { 'retry-after': said } });
  const told = { name: 'SpragError', code: 'unavailable', status: 503 };
  for (let times = 0; times < 3; times++) await expect(it.ask('g5')).rejects.toMatchObject(told);
  clock.passed = wait - 1_000;
  await expect(it.ask('g5')).rejects.toMatchObject(told);
  expect(it.ids.length).toBe(1);
  // Another browser's token was not answered for.
  await expect(it.ask('g5', 'another browser')).rejects.toMatchObject(told);
  expect(it.ids.length).toBe(2);
  clock.passed = wait + 1_000;
  it.instead = undefined;
  expect(await it.ask('g5')).toBe('g5+');
  expect(it.ids[2]).toBe(it.ids[0]);
});

test('one that says nothing, or does not answer, is asked again at once', async () => {
  const it = app();
  it.instead = () => Response.json({ code: 'unavailable' }, { status: 503 });
  await expect(it.ask('g5')).rejects.toMatchObject({ code: 'unavailable' });
  [it.instead, it.isAway] = [undefined, true];
  await fails(it.ask('g5'));
  it.isAway = false;
  expect(await it.ask('g5')).toBe('g5+');
});

test('with a secret every process asks under the same id, and so does the one after a restart', async () => {
  const one = app({ secret: SECRET });
  await one.ask('g5');
  forgetAll();
  const other = app({ secret: SECRET });
  await other.ask('g5');
  expect(other.ids).toEqual(one.ids);
  expect(one.ids[0]).toMatch(/^[\w-]{43}$/);
});

test('without a secret it is kept in this process', async () => {
  const one = app();
  one.isAway = true;
  await fails(one.ask('g5'));
  await fails(one.ask('g5'));
  forgetAll();
  const other = app();
  await other.ask('g5');
  expect(one.ids[0]).toBe(one.ids[1]);
  expect(other.ids[0]).not.toBe(one.ids[0]);
});

test('the id is of the secret, the token and the browser: who has cookies alone cannot make it', async () => {
  const ids = new Set<string>();
  for (const secret of [SECRET, `${SECRET}!`]) {
    const it = app({ secret });
    await it.ask('g5');
    await it.ask('g6');
    await it.ask('g5', 'another browser');
    for (const id of it.ids) ids.add(id);
    forgetAll();
  }
  expect(ids.size).toBe(6);
});

test('with a secret too, a token whose successor was seen is asked about under an id of its own', async () => {
  const it = app({ secret: SECRET });
  const clock = wound();
  const next = await it.ask('g5');
  await it.ask(next);
  clock.passed = 3_600_000;
  await it.ask('g5');
  expect(new Set(it.ids).size).toBe(3);
});

test('a secret that can be guessed is refused at the start', () => {
  for (const secret of ['', 'secret', 'x'.repeat(31)]) {
    expect(() => app({ secret })).toThrow(expect.objectContaining({ code: 'secret_too_short' }));
  }
});

test('a memory that fails ends no process and no request: this process remembers', async () => {
  const memory: RetryMemory = {
    claim: () => Promise.reject(new Error('the database is away')),
    forget: () => Promise.reject(new Error('the database is away')),
  };
  const it = app({ memory });
  it.isAway = true;
  await fails(it.ask('g5'));
  await fails(it.ask('g5'));
  it.isAway = false;
  const next = await it.ask('g5');
  expect(next).toBe('g5+');
  expect(new Set(it.ids).size).toBe(1);
  // The successor is shown, which forgets: a rejection that nobody takes would fail this run.
  expect(await it.ask(next)).toBe('g5++');
  await new Promise((resolve) => setTimeout(resolve));
});

test('a memory that throws, hangs or fails later changes no id', async () => {
  let [isAway, isSlow] = [false, false];
  const kept = new Map<string, string>();
  const memory: RetryMemory = {
    claim(key, id) {
      if (isAway) throw new Error('the database is away');
      if (isSlow) return new Promise(() => undefined);
      if (!kept.has(key)) kept.set(key, id);
      return kept.get(key) as string;
    },
    forget: () => {
      throw new Error('the database is away');
    },
  };
  const it = app({ memory });
  it.isAway = true;
  await fails(it.ask('g5'));
  isAway = true;
  await fails(it.ask('g5'));
  [isAway, isSlow] = [false, true];
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const last = fails(it.ask('g5'));
  await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1));
  await vi.advanceTimersByTimeAsync(2_000);
  await last;
  expect(new Set(it.ids).size).toBe(1);
  expect(it.ids.length).toBe(3);
});

test('a memory that gives no id, or an empty one, is one that fails', async () => {
  for (const given of ['', null, 7]) {
    const it = app({ memory: { claim: () => given as string, forget: () => undefined } });
    it.isAway = true;
    await fails(it.ask('g5'));
    await fails(it.ask('g5'));
    expect(it.ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(it.ids[1]).toBe(it.ids[0]);
    forgetAll();
  }
});

test('a framework that throws once the answer has gone fails no request', async () => {
  const auth = createServer({
    url: 'http://sprag.example',
    fetch: async () => Response.json({ access_token: 'a.b.c', refresh_token: 'g6' }),
  });
  const set = () => {
    throw new Error('cannot use cookies.set after the response has been generated');
  };
  const store = { get: (name: string) => (name === REFRESH ? 'g5' : undefined), set };
  const session = auth.fromStore(store, {});
  expect(await session.accessToken()).toBe('a.b.c');
  expect(session.canWrite).toBe(false);
  await expect(auth.fromStore(store, {}).login({})).rejects.toThrow('cookies.set');
});

test('claims are undefined where what the server gives is no good either', async () => {
  const auth = createServer({
    url: 'http://sprag.example',
    fetch: async () => Response.json({ access_token: 'a.b.c', refresh_token: 'g6' }),
    verifier: { verify: () => Promise.reject(Object.assign(new Error('not of this issuer'), { status: 401 })) },
  });
  const cookies = { get: (name: string) => (name === REFRESH ? 'g5' : undefined), set: () => undefined };
  expect(await auth.session({ cookies, headers: {} }).claims()).toBeUndefined();
});
