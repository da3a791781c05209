import { afterEach, describe, expect, it, vi } from 'vitest';

import { createClient, readToken, type SignedOut } from '../src/index.js';
import { json } from './ratchet.js';
import { browser, MINUTE, pass, SharedStorage, URL_OF_SERVER } from './tabs.js';

afterEach(() => void vi.useRealTimers());

const LOGIN = { username: 'ann', password: 'a long password' };

describe('tabs', () => {
  it('refresh once at a time, however many ask', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const all = Array.from({ length: 20 }, () => client.refresh());
    expect(new Set(await Promise.all(all)).size).toBe(1);
    expect(server.refreshes()).toHaveLength(1);
  });

  it('adopt the access token that another one got', async () => {
    const { server, tab } = browser();
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    await one.login(LOGIN);
    await pass();
    expect(two.session.state).toBe('signed-in');
    const token = await one.refresh();
    await pass();
    expect(await two.accessToken()).toBe(token);
    expect(server.refreshes()).toHaveLength(1);
  });

  it('hear of a log-out and of the next log-in', async () => {
    const { storage, tab } = browser();
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    const heard: SignedOut[] = [];
    two.onSignedOut((why) => heard.push(why));
    await one.login(LOGIN);
    await pass();
    await one.logout();
    await pass();
    expect(two.session.state).toBe('signed-out');
    expect(await two.accessToken()).toBeUndefined();
    expect(heard).toEqual([{ cause: 'logout', detail: 'You signed out' }]);
    expect(storage.kept()).not.toHaveProperty('t');
    await one.login(LOGIN);
    await pass();
    expect(two.session.current).toMatchObject({ state: 'signed-in', id: one.session.current.id });
  });

  it.each([true, false])('do not have each other ask before its time by what they write down of a request: channels %s', async (channels) => {
    const { server, storage, tab } = browser({ mode: 'cookie', channels });
    const window = new EventTarget();
    vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    await one.login(LOGIN);
    await pass(1_000);
    const write = storage.setItem.bind(storage);
    storage.setItem = (key, value) => {
      write(key, value);
      queueMicrotask(() => window.dispatchEvent(Object.assign(new Event('storage'), { key })));
    };
    server.next('/refresh', ...Array.from({ length: 12 }, () => ({ lose: 'request' }) as const));
    const before = server.refreshes().length;
    const asked = [one.refresh(), two.refresh()].map((each) => each.catch(({ code }) => code));
    await pass(700);
    expect(server.refreshes()).toHaveLength(before + 2);
    await pass(60_000);
    expect(await Promise.all(asked)).toEqual(['unreachable', 'unreachable']);
  });

  it('hear of it by the storage where there are no channels', async () => {
    const { storage, tab } = browser({ channels: false });
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    await pass(1);
    await one.login(LOGIN);
    // No window tells it; it is found in what is kept.
    expect(await two.accessToken()).toBeTruthy();
    await two.refresh();
    expect(two.session.state).toBe('signed-in');
    await one.logout();
    expect(await two.refresh()).toBeUndefined();
    expect(two.session.state).toBe('signed-out');
    expect(storage.kept()['o']).toBeTruthy();
  });

  it('do not take an answer that comes after a log-out for a session', async () => {
    const { server, storage, tab } = browser();
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    await one.login(LOGIN);
    await pass();
    server.next('/refresh', { after: 2000 });
    const late = two.refresh();
    await pass(10);
    await one.logout();
    await pass(3000);
    expect(await late).toBeUndefined();
    expect(storage.kept()).not.toHaveProperty('t');
    expect(two.session.state).toBe('signed-out');
  });

  it('do not take the answer of a session that another one followed', async () => {
    const { server, storage, tab } = browser();
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    await one.login(LOGIN);
    await pass();
    server.next('/refresh', { after: 2000 });
    const late = two.refresh();
    await pass(10);
    await one.logout();
    await one.login({ username: 'bob', password: 'another long one' });
    await pass(5000);
    const session = one.session.current.id;
    expect(readToken(storage.kept()['t'])?.session).toBe(session);
    expect(two.session.current).toMatchObject({ state: 'signed-in', id: session });
    expect(JSON.parse(atob((await late)!.split('.')[1]!)).sid).toBe(session);
  });

  it.each(['body', 'cookie'] as const)('survive each other on a bad line: ten of them, %s mode', async (mode) => {
    const { server, storage, tab } = browser({ mode });
    const first = tab();
    await first.login(LOGIN);
    const tabs = [first, ...Array.from({ length: 9 }, () => tab())];
    const out = vi.fn();
    for (const each of tabs) each.onSignedOut(out);
    await pass(100);
    let seed = 7;
    const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
    for (let turn = 0; turn < 60; turn += 1) {
      const dice = random();
      if (dice < 0.2) server.next('/refresh', { lose: 'answer' });
      else if (dice < 0.3) server.next('/refresh', { lose: 'request' });
      else if (dice < 0.6) server.next('/refresh', { after: random() * 9000 });
      for (const each of tabs) if (random() < 0.4) void each.refresh().catch(() => {});
      await pass(random() * (dice > 0.9 ? 60 * MINUTE : 40_000));
    }
    server.fates.clear();
    await pass(60_000);
    expect(out).not.toHaveBeenCalled();
    expect([...server.rows.values()].map(({ ended }) => ended)).toEqual([undefined]);
    const [row] = server.rows.values();
    if (mode === 'body') expect(readToken(storage.kept()['t'])?.generation).toBe(row!.generation);
    else expect(readToken(server.cookie)?.generation).toBe(row!.generation);
  });

  it.each(['password', 'step-up'] as const)('live through a %s in one of them', async (what) => {
    const { server, tab } = browser();
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    const out = vi.fn();
    two.onSignedOut(out);
    await one.login(LOGIN);
    await pass();
    server.next(`/${what}`, { after: 2000 });
    const change = what === 'password' ? one.changePassword('old', 'new one') : one.stepUp({ password: 'old' });
    await pass(500);
    // The old session has ended, and its replacement is still on its way.
    const other = two.refresh();
    await pass(4000);
    await change;
    await pass(4000);
    expect(await other).toBeTruthy();
    expect(out).not.toHaveBeenCalled();
    expect(two.session.current.id).toBe(one.session.current.id);
    const { headers, body } = server.asked.find(({ path }) => path.endsWith(what))!;
    expect(headers.get('Idempotency-Key')).toBeTruthy();
    expect(body).toHaveProperty('refresh_token');
  });

  it('wait with their own refresh while the session is being replaced', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    server.next('/password', { after: 3000 });
    const change = client.changePassword('old', 'new one');
    await pass(100);
    const asked = client.refresh();
    await pass(5000);
    await change;
    expect(await asked).toBeTruthy();
    expect(client.session.state).toBe('signed-in');
  });

  it('ask for a lost answer to a password change with the same id', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    server.next('/password', { lose: 'request' }, { answer: () => json(503, { code: 'busy', detail: 'wait' }) });
    const change = client.changePassword('old', 'new one');
    await pass(10_000);
    await change;
    const ids = server.asked.filter(({ path }) => path.endsWith('/password')).map(({ headers }) => headers.get('Idempotency-Key'));
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
  });
});

describe('a message', () => {
  it('that waited for an hour gives no access token that is over', async () => {
    const { server, tab } = browser();
    const channel = new BroadcastChannel('sprag');
    const heard: unknown[] = [];
    channel.onmessage = ({ data }) => heard.push(data);
    const one = tab({ ahead: false });
    await one.login(LOGIN);
    await pass();
    await pass(60 * MINUTE);
    const two = tab({ ahead: false });
    await two.ready;
    for (const each of heard) channel.postMessage(each);
    await pass();
    expect(await two.accessToken()).toBeTruthy();
    expect(server.refreshes()).toHaveLength(1);
  });

  it('of somebody else is not heard', async () => {
    const { tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    for (const each of [null, 'hello', { kept: 7 }]) new BroadcastChannel('sprag').postMessage(each);
    await pass();
    expect(client.session.state).toBe('signed-in');
  });
});

describe('outside of a page', () => {
  it('clients of several people never hear of each other', async () => {
    const { server, tab } = browser();
    vi.stubGlobal('document', undefined);
    const [ann, bob] = [tab({ ahead: false, storage: new SharedStorage() }), tab({ ahead: false, storage: new SharedStorage() })];
    await bob.ready;
    await ann.login(LOGIN);
    await pass();
    await bob.ready;
    expect(bob.session.state).toBe('signed-out');
    expect(await bob.accessToken()).toBeUndefined();
    expect(server.rows.size).toBe(1);
  });
});

describe('a storage', () => {
  it.each(['reads and writes', 'writes'] as const)('that is blocked for %s leaves memory', async (blocked) => {
    const { storage, tab } = browser();
    storage.blocked = blocked;
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    for (let turn = 0; turn < 5; turn += 1) {
      expect(await client.refresh()).toBeTruthy();
      await pass(MINUTE);
    }
    expect(client.session.state).toBe('signed-in');
    await client.logout();
    expect(client.session.state).toBe('signed-out');
  });

  it('that fills up costs no session, also over a reload', async () => {
    const { storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    storage.blocked = 'writes';
    await client.refresh();
    await pass(5 * MINUTE);
    expect(await client.refresh()).toBeTruthy();
    expect(client.session.state).toBe('signed-in');
  });

  it('that hangs is not waited for', async () => {
    const { server, tab } = browser();
    const never = (): Promise<string> => new Promise(() => {});
    const client = tab({ ahead: false, storage: { getItem: never, setItem: never, removeItem: never } });
    const login = client.login(LOGIN);
    await pass(20_000);
    await login;
    const refresh = client.refresh();
    await pass(20_000);
    expect(await refresh).toBeTruthy();
    expect(server.refreshes()).toHaveLength(1);
  });

  it('that answers with promises keeps the session over a restart', async () => {
    const { storage, tab } = browser();
    const later = {
      getItem: async (key: string) => (await new Promise((go) => setTimeout(go, 5)), storage.getItem(key)),
      setItem: async (key: string, value: string) => (await new Promise((go) => setTimeout(go, 5)), storage.setItem(key, value)),
      removeItem: async (key: string) => storage.removeItem(key),
    };
    const client = tab({ ahead: false, storage: later });
    const login = client.login(LOGIN);
    await pass(1000);
    await login;
    client.close();
    const next = tab({ ahead: false, storage: later });
    expect(next.session.state).toBe('unknown');
    await pass(100);
    expect(next.session.state).toBe('signed-in');
    const token = next.accessToken();
    await pass(1000);
    expect(await token).toBeTruthy();
  });

  it('that is cleared while a tab lives is filled again, for that is no log-out', async () => {
    const { storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    storage.items.clear();
    expect(await client.refresh()).toBeTruthy();
    expect(storage.kept()['t']).toBeTruthy();
  });

  it('keeps the instance over log-out, and sends it with every refresh', async () => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    await client.refresh();
    const instance = storage.kept()['i'];
    await client.logout();
    client.close();
    const next = tab({ ahead: false });
    await next.login(LOGIN);
    await next.refresh();
    expect(instance).toMatch(/^[0-9a-f]{32}$/);
    expect(server.asked.map(({ headers }) => headers.get('Sprag-Instance')).every((sent) => sent === instance)).toBe(true);
  });

  it('of the front end of before gives its token once', async () => {
    const { server, storage, tab } = browser();
    storage.items.set('refresh_token', 'f00dfeedf00dfeedf00dfeed');
    const { token } = server.open();
    server.next('/refresh', { lose: 'request' }, { answer: () => json(200, { access_token: 'a', refresh_token: token, expires_in: 900 }) });
    const client = tab({ ahead: false, importFrom: 'refresh_token' });
    const asked = client.refresh();
    await pass(5000);
    expect(await asked).toBe('a');
    expect(server.refreshes().map(({ body }) => body!['refresh_token'])).toEqual(Array(2).fill('f00dfeedf00dfeedf00dfeed'));
    expect(new Set(server.refreshes().map(({ headers }) => headers.get('Idempotency-Key'))).size).toBe(1);
    expect(storage.kept()['t']).toBe(token);
    await client.logout();
    client.close();
    const next = tab({ ahead: false, importFrom: 'refresh_token' });
    await next.ready;
    expect(next.session.state).toBe('signed-out');
  });
});

describe('a window', () => {
  /** A window with what a page has, whose events the test dispatches. */
  const opened = (): { window: EventTarget; document: { hidden: boolean } } => {
    const window = new EventTarget();
    const document = { hidden: false };
    vi.stubGlobal('document', document);
    vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
    return { window, document };
  };

  it('whose storage is blocked works in memory', async () => {
    const { server } = browser();
    opened();
    const blocked = (): never => {
      throw new DOMException('not in a private window', 'SecurityError');
    };
    Object.defineProperty(globalThis, 'localStorage', { configurable: true, get: blocked });
    try {
      const client = createClient({ url: URL_OF_SERVER, mode: 'body', fetch: server.fetch });
      await client.login(LOGIN);
      expect(await client.refresh()).toBeTruthy();
      client.close();
    } finally {
      Reflect.deleteProperty(globalThis, 'localStorage');
    }
  });

  it('hears of another tab by the storage event', async () => {
    const { storage, tab } = browser({ channels: false });
    const { window } = opened();
    const [one, two] = [tab(), tab()];
    await one.login(LOGIN);
    window.dispatchEvent(Object.assign(new Event('storage'), { key: 'sprag' }));
    await pass();
    expect(two.session.state).toBe('signed-in');
    await one.logout();
    window.dispatchEvent(Object.assign(new Event('storage'), { key: 'sprag' }));
    await pass();
    expect(two.session.state).toBe('signed-out');
    expect(storage).toBeInstanceOf(SharedStorage);
  });

  it('that comes back from the back-forward cache looks at what happened meanwhile', async () => {
    const { tab } = browser();
    const { window } = opened();
    const client = tab();
    await client.login(LOGIN);
    window.dispatchEvent(new Event('pagehide'));
    const other = tab();
    await other.ready;
    await other.logout();
    await pass(1000);
    expect(client.session.state).toBe('signed-in'); // It was put aside, and heard nothing.
    window.dispatchEvent(new Event('pageshow'));
    await pass();
    expect(client.session.state).toBe('signed-out');
    await other.login(LOGIN);
    await pass();
    expect(client.session.state).toBe('signed-in');
  });

  it('asks nothing while it is hidden, and what is due once it is seen', async () => {
    const { server, tab } = browser();
    const { window, document } = opened();
    const client = tab();
    await client.login(LOGIN);
    document.hidden = true;
    await pass(60 * MINUTE);
    expect(server.refreshes()).toHaveLength(0);
    document.hidden = false;
    window.dispatchEvent(new Event('visibilitychange'));
    await pass();
    expect(server.refreshes()).toHaveLength(1);
  });

  it('asks at once when the line is back', async () => {
    const { server, tab } = browser();
    const { window } = opened();
    const client = tab();
    await client.login(LOGIN);
    server.next('/refresh', ...Array(500).fill({ lose: 'request' }));
    await pass(20 * MINUTE);
    server.fates.clear();
    const before = server.refreshes().length;
    window.dispatchEvent(new Event('online'));
    await pass();
    expect(server.refreshes()).toHaveLength(before + 1);
    expect(await client.accessToken()).toBeTruthy();
  });
});
