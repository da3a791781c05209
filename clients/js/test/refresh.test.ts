import { afterEach, describe, expect, it, vi } from 'vitest';

import { SpragError, readToken } from '../src/index.js';
import { json, opaque } from './ratchet.js';
import { browser, MINUTE, pass } from './tabs.js';

afterEach(() => void vi.useRealTimers());

const LOGIN = { username: 'ann', password: 'a long password' };

describe('a token is never lost', () => {
  it('stores the retry id beside the token before the request leaves', async () => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const seen: Array<Record<string, string>> = [];
    const fetch = server.fetch;
    server.fetch = vi.fn(fetch);
    const other = tab({ ahead: false, fetch: (input, init) => (seen.push(storage.kept()), fetch(input, init)) });
    await other.refresh();
    const [asked] = server.refreshes();
    expect(seen[0]).toMatchObject({ r: asked!.headers.get('Idempotency-Key'), t: asked!.body!['refresh_token'] });
  });

  it.each([
    ['a crash, an hour later', 60 * MINUTE],
    ['a reload', 100],
    ['three days offline', 3 * 24 * 60 * MINUTE],
  ])('asks for a lost answer with the same id after %s', async (_, away) => {
    const { server, storage, tab } = browser();
    const first = tab({ ahead: false });
    await first.login(LOGIN);
    server.next('/refresh', { lose: 'answer' }, { lose: 'request' }, { lose: 'request' });
    const lost = first.refresh().catch((error: SpragError) => error.code);
    await pass(10_000);
    expect(await lost).toBe('unreachable');
    first.close();
    await pass(away);
    const second = tab({ ahead: false });
    expect(await second.accessToken()).toBeTruthy();
    expect(second.session.state).toBe('signed-in');
    const ids = new Set(server.refreshes().map(({ headers }) => headers.get('Idempotency-Key')));
    expect(ids.size).toBe(1);
    expect(readToken(storage.kept()['t'])?.generation).toBe(1);
  });

  const portal = (): Response => new Response('<html>Welcome to the hotel</html>', { status: 200 });
  it.each([
    ['500', () => json(500, { code: 'internal', detail: 'a defect' })],
    ['502 of a proxy', () => new Response('Bad gateway', { status: 502 })],
    ['503', () => json(503, { code: 'unavailable', detail: 'come back' }, { 'Retry-After': '1' })],
    ['429', () => json(429, { code: 'rate_limited', detail: 'come back' }, { 'Retry-After': '7' })],
    ['408', () => json(408, { code: 'request_timeout', detail: 'too slow' })],
    ['400', () => json(400, { code: 'request_invalid', detail: 'mend it' })],
    ['403', () => json(403, { code: 'origin_refused', detail: 'not from there' })],
    ['404', () => json(404, { code: 'not_found', detail: 'nothing here' })],
    ['a captive portal', portal],
    ['a portal that speaks JSON', () => json(200, { hello: 'guest' })],
    ['a portal that wants a password', () => new Response('<html>Log in</html>', { status: 401 })],
    ['another service that says 401', () => json(401, { detail: 'Not allowed', code: 'no_key' })],
    ['a 401 that says a twin was answered', () => json(401, { code: 'token_spent', detail: 'used already' })],
    ['a 401 of a server with another key', () => json(401, { code: 'token_invalid', detail: 'not ours' })],
    ['a redirect', () => new Response(null, { status: 302, headers: { Location: 'http://portal.test/' } })],
  ])('is forgotten at no %s', async (_, answer) => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const token = storage.kept()['t'];
    const out = vi.fn();
    client.onSignedOut(out);
    server.next('/refresh', ...Array.from({ length: 12 }, () => ({ answer })));
    const asked = client.refresh().catch(() => 'failed');
    await pass(60_000);
    await asked;
    expect(storage.kept()['t']).toBe(token);
    client.close();
    server.fates.clear();
    const next = tab({ ahead: false });
    expect(await next.accessToken()).toBeTruthy();
    expect(next.session.state).toBe('signed-in');
  });

  it.each(['timeout', 'abort', 'offline'])('is forgotten at no %s', async (what) => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const token = storage.kept()['t'];
    const fate = {
      timeout: { hang: true as const },
      abort: { answer: () => { throw new DOMException('aborted', 'AbortError'); } },
      offline: { lose: 'request' as const },
    }[what]!;
    server.next('/refresh', fate, fate, fate);
    const asked = client.refresh().catch((error: SpragError) => error.code);
    await pass(29_000);
    expect(await asked).toBe('unreachable');
    expect(storage.kept()['t']).toBe(token);
    expect(client.session.state).toBe('signed-in');
    await pass(1000);
    expect(await client.refresh()).toBeTruthy();
  });

  it('does not follow a redirect with the token', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    await client.refresh();
    expect(server.asked.every(({ init }) => init.redirect === 'error')).toBe(true);
  });
});

describe('a session ends only where the server says so', () => {
  it.each([
    ['session_ended', 'logout_all', 'logout_all'],
    ['session_ended', 'reuse', 'reuse'],
    ['token_expired', 'idle', 'idle'],
    ['account_disabled', undefined, 'account_disabled'],
  ])('%s with cause %s', async (code, cause, told) => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const instance = storage.kept()['i'];
    const out = vi.fn();
    client.onSignedOut(out);
    server.next('/refresh', { answer: () => json(401, { code, detail: 'it is over', cause }) });
    expect(await client.refresh()).toBeUndefined();
    expect(out).toHaveBeenCalledExactlyOnceWith({ cause: told, detail: 'it is over' });
    expect(client.session.state).toBe('signed-out');
    expect(storage.kept()).toEqual({ i: instance, o: { cause: told, detail: 'it is over' } });
    expect(await client.accessToken()).toBeUndefined();
  });

  it('and forgets the token only if the refused one is still the stored one', async () => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const { session } = server.open();
    // While the refusal is on its way, somebody logs in elsewhere.
    server.next('/refresh', {
      answer: () => {
        storage.setItem('sprag', JSON.stringify({ ...storage.kept(), s: session, t: opaque(session, 0), r: 'theirs' }));
        return json(401, { code: 'session_ended', cause: 'replaced', detail: 'over' });
      },
    });
    const out = vi.fn();
    client.onSignedOut(out);
    expect(await client.refresh()).toBeTruthy();
    expect(client.session.current).toMatchObject({ state: 'signed-in', id: session });
    expect(out).not.toHaveBeenCalled();
  });

  it('in cookie mode only if a second refresh is refused too', async () => {
    const { server, storage, tab } = browser({ mode: 'cookie' });
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const out = vi.fn();
    client.onSignedOut(out);
    const ended = (): Response => json(401, { code: 'session_ended', cause: 'reuse', detail: 'over' });
    server.next('/refresh', { answer: ended });
    const first = client.refresh();
    await pass(5000);
    expect(await first).toBeTruthy();
    expect(out).not.toHaveBeenCalled();
    server.next('/refresh', { answer: ended }, { answer: ended });
    const second = client.refresh();
    await pass(5000);
    expect(await second).toBeUndefined();
    expect(out).toHaveBeenCalledExactlyOnceWith({ cause: 'reuse', detail: 'over' });
    expect(storage.kept()).not.toHaveProperty('s');
  });

  it('in cookie mode one retry id lives until an answer was read', async () => {
    const { server, tab } = browser({ mode: 'cookie' });
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    server.next('/refresh', { lose: 'answer' }, { lose: 'request' }, { lose: 'request' });
    const lost = client.refresh().catch(() => 'lost');
    await pass(10_000);
    expect(await lost).toBe('lost');
    client.close();
    await pass(60 * MINUTE);
    const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
    await Promise.all([one.refresh(), two.refresh()]);
    expect(new Set(server.refreshes().map(({ headers }) => headers.get('Idempotency-Key'))).size).toBe(1);
    // It was sent more than once, so that it is kept for a while.
    await one.refresh();
    await pass(6 * MINUTE);
    await two.refresh();
    expect(new Set(server.refreshes().map(({ headers }) => headers.get('Idempotency-Key'))).size).toBe(1);
    await one.refresh();
    expect(new Set(server.refreshes().map(({ headers }) => headers.get('Idempotency-Key'))).size).toBe(2);
    expect(one.session.state).toBe('signed-in');
    expect(two.session.state).toBe('signed-in');
  });

  describe('where a request was held up on its way until after the answer to its repeat', () => {
    /** Whose first request turned the session after its second was told that there is nothing to turn yet. */
    const heldUp = async () => {
      const { server, tab } = browser({ mode: 'cookie' });
      const client = tab({ ahead: false });
      await client.login(LOGIN);
      await client.refresh();
      server.next('/refresh', { late: 40_000 });
      const asked = client.refresh();
      await pass(10_000);
      expect(await asked).toBeTruthy();
      // Whoever waits for so long loads the page anew, which asks once more.
      client.close();
      const reloaded = tab({ ahead: false });
      expect(await reloaded.refresh()).toBeTruthy();
      await pass(60 * MINUTE);
      const [row] = [...server.rows.values()];
      expect(row?.generation).toBe(2);
      return { server, client: reloaded, row };
    };

    it('nobody was signed out by the next refresh', async () => {
      const { server, client } = await heldUp();
      expect(await client.refresh()).toBeTruthy();
      await pass(60 * MINUTE);
      expect(await client.refresh()).toBeTruthy();
      expect(client.session.state).toBe('signed-in');
      const ids = server.refreshes().map(({ headers }) => headers.get('Idempotency-Key'));
      expect(new Set(ids.slice(1, -1)).size).toBe(1);
      expect(new Set(ids).size, 'and the last one has an id of its own').toBe(3);
    });

    it.each([
      ['before', 0],
      ['after', 3_000],
    ])('nor where nothing can be kept, and the tab gave it up %s another one was answered', async (_, until) => {
      const { server, storage, tab } = browser({ mode: 'cookie' });
      storage.blocked = 'reads and writes';
      const [one, two] = [tab({ ahead: false }), tab({ ahead: false })];
      await one.login(LOGIN);
      await one.refresh();
      server.next('/refresh', { late: 40_000, until });
      const lost = one.refresh();
      await pass(1_000);
      expect(await two.refresh()).toBeTruthy();
      await pass(10_000);
      expect(await lost).toBeTruthy();
      await pass(60 * MINUTE);
      expect([...server.rows.values()][0]?.generation).toBe(2);
      expect(await two.refresh()).toBeTruthy();
      expect(two.session.state).toBe('signed-in');
    });

    it('nor was a log-out taken for a theft', async () => {
      const { client, row } = await heldUp();
      await client.logout();
      expect(row?.ended).toBe('logout');
    });
  });
});

describe('of one session the higher generation wins', () => {
  it('when two answers come out of order', async () => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const session = storage.kept()['s']!;
    server.next('/refresh', {
      answer: () => {
        // Meanwhile other tabs went on by two.
        storage.setItem('sprag', JSON.stringify({ ...storage.kept(), t: opaque(session, 3), r: 'third' }));
        server.rows.get(session)!.generation = 3;
        return json(200, { access_token: 'old', refresh_token: opaque(session, 1), session_id: session, expires_in: 900 });
      },
    });
    await client.refresh();
    expect(readToken(storage.kept()['t'])?.generation).toBe(3);
    expect(storage.kept()['r']).toBe('third');
  });

  it('and a store that went back is brought up again', async () => {
    const { storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const old = storage.items.get('sprag')!;
    await client.refresh();
    storage.items.set('sprag', old);
    await client.refresh();
    expect(readToken(storage.kept()['t'])?.generation).toBe(1);
  });

  it('and an answer of another session is not stored', async () => {
    const { server, storage, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const { t: token } = storage.kept();
    const { session } = server.open();
    server.next('/refresh', {
      answer: () => json(200, { access_token: 'theirs', refresh_token: opaque(session, 9), session_id: session }),
    });
    const given = client.refresh();
    await pass(5000);
    expect(await given).toBeTruthy();
    expect(await given).not.toBe('theirs');
    expect(readToken(storage.kept()['t'])?.session).toBe(readToken(token)?.session);
  });

  it('reads the generation of both encodings', () => {
    const session = '00112233-4455-6677-8899-aabbccddeeff';
    expect(readToken(opaque(session, 2 ** 40 + 7))).toEqual({ session, generation: 2 ** 40 + 7 });
    const claims = Buffer.from(JSON.stringify({ type: 'refresh', sid: session, gen: 5 })).toString('base64url');
    expect(readToken(`e30.${claims}.x`)).toEqual({ session, generation: 5 });
    expect(readToken('7f0c8a0e9c4b4d0e')).toBeUndefined();
  });
});
