import { afterEach, describe, expect, it, vi } from 'vitest';

import { SpragError } from '../src/index.js';
import { json } from './ratchet.js';
import { browser, pass } from './tabs.js';

afterEach(() => void vi.useRealTimers());

const LOGIN = { username: 'ann', password: 'a long password' };
const API = 'http://auth.test/things';
const refused = { answer: () => json(401, { detail: 'expired' }) };

const ready = async () => {
  const made = browser();
  const client = made.tab({ ahead: false, origins: ['https://api.test:8443'] });
  await client.login(LOGIN);
  return { ...made, client };
};

describe('client.fetch', () => {
  it('attaches the access token, and sends as is where there is no session', async () => {
    const { server, client } = await ready();
    await client.fetch(API);
    expect(server.asked.at(-1)!.headers.get('Authorization')).toBe(`Bearer ${await client.accessToken()}`);
    await client.logout();
    await client.fetch(API);
    expect(server.asked.at(-1)!.headers.has('Authorization')).toBe(false);
  });

  it('refreshes on a 401 and repeats once', async () => {
    const { server, client } = await ready();
    server.next('/things', refused);
    const answer = await client.fetch(API, { method: 'POST', body: '{"n":1}', headers: { 'X-Mine': 'yes' } });
    expect(answer.status).toBe(200);
    const [first, second] = server.asked.filter(({ path }) => path === '/things');
    expect(second!.body).toEqual({ n: 1 });
    expect(second!.headers.get('X-Mine')).toBe('yes');
    expect(second!.headers.get('Authorization')).not.toBe(first!.headers.get('Authorization'));
    expect(server.refreshes()).toHaveLength(1);
  });

  it('gives a 401 that stays one, and does not refresh for it again and again', async () => {
    const { server, client } = await ready();
    server.next('/things', ...Array(20).fill(refused));
    expect((await client.fetch(API)).status).toBe(401);
    expect((await client.fetch(API)).status).toBe(401);
    expect((await client.fetch(API)).status).toBe(401);
    expect(server.refreshes()).toHaveLength(1);
    expect(client.session.state).toBe('signed-in');
  });

  it('refreshes once for many calls that are refused at one time', async () => {
    const { server, client } = await ready();
    server.next('/things', ...Array(5).fill(refused));
    const answers = await Promise.all(Array.from({ length: 5 }, () => client.fetch(API)));
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(200));
    expect(server.refreshes()).toHaveLength(1);
  });

  it('repeats a Request, whose body can be read only once', async () => {
    const { server, tab } = browser();
    const bodies: string[] = [];
    const client = tab({
      ahead: false,
      fetch: async (input, init) => {
        if (!(input instanceof Request)) return server.fetch(input, init);
        bodies.push(await input.text());
        return bodies.length === 1 ? json(401, {}) : json(200, {});
      },
    });
    await client.login(LOGIN);
    const request = new Request(API, { method: 'PUT', body: 'a text' });
    expect((await client.fetch(request)).status).toBe(200);
    expect(bodies).toEqual(['a text', 'a text']);
  });

  it('repeats a stream', async () => {
    const { server, tab } = browser();
    const bodies: string[] = [];
    const client = tab({
      ahead: false,
      fetch: async (input, init) => {
        if (!(input instanceof Request)) return server.fetch(input, init);
        bodies.push(await input.text());
        return bodies.length === 1 ? json(401, {}) : json(200, {});
      },
    });
    await client.login(LOGIN);
    const stream = new Blob(['one ', 'two']).stream();
    const init = { method: 'POST', body: stream, duplex: 'half' } as RequestInit;
    expect((await client.fetch(API, init)).status).toBe(200);
    expect(bodies).toEqual(['one two', 'one two']);
  });

  it.each([
    'https://elsewhere.test/things',
    'http://auth.test.evil.test/things',
    'http://auth.test:8080/things',
    'https://auth.test/things',
    'https://api.test/things',
    'http://api.test:8443/things',
  ])('never shows the token to %s', async (url) => {
    const { server, client } = await ready();
    await client.fetch(url);
    await client.fetch(new URL(url));
    await client.fetch(new Request(url));
    for (const { headers } of server.asked.slice(-3)) expect(headers.has('Authorization')).toBe(false);
    server.next('/things', refused);
    await client.fetch(url);
    expect(server.refreshes()).toHaveLength(0);
  });

  it('is not taken in by a name before the @', async () => {
    const { server, client } = await ready();
    await client.fetch('http://auth.test@evil.test/things');
    expect(server.asked.at(-1)!.headers.has('Authorization')).toBe(false);
  });

  it('shows it to the origins that are named', async () => {
    const { server, client } = await ready();
    await client.fetch('https://api.test:8443/things');
    expect(server.asked.at(-1)!.headers.has('Authorization')).toBe(true);
  });

  it('lets by an authorization of the caller', async () => {
    const { server, client } = await ready();
    server.next('/things', refused);
    expect((await client.fetch(API, { headers: { Authorization: 'Basic abc' } })).status).toBe(401);
    expect(server.asked.at(-1)!.headers.get('Authorization')).toBe('Basic abc');
  });

  it('gives up at once when its caller does, and the refresh goes on for the others', async () => {
    const { server, client } = await ready();
    await pass(901_000);
    server.next('/refresh', { after: 5000 });
    const controller = new AbortController();
    const given_up = client.fetch(API, { signal: controller.signal }).catch((error: unknown) => error);
    const patient = client.fetch(API);
    await pass(100);
    controller.abort(new Error('enough'));
    expect(await given_up).toEqual(new Error('enough'));
    await pass(5000);
    expect((await patient).status).toBe(200);
    expect(server.refreshes()).toHaveLength(1);
  });

  it('rejects with a code where a token is needed and none can be had', async () => {
    const { server, client } = await ready();
    await pass(901_000);
    server.next('/refresh', ...Array(3).fill({ lose: 'request' }));
    const failed = client.fetch(API).catch((error: unknown) => error);
    await pass(10_000);
    expect(await failed).toBeInstanceOf(SpragError);
    expect(await failed).toMatchObject({ code: 'unreachable' });
    expect(client.session.state).toBe('signed-in');
  });
});

describe('actions', () => {
  it('abort no request that was answered', async () => {
    const { server, client } = await ready();
    await client.refresh();
    await pass(60_000);
    expect(server.asked.map(({ init }) => init.signal?.aborted)).toEqual([false, false]);
  });


  it('tell the server’s code, and change nothing', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    server.next('/login', { answer: () => json(401, { code: 'second_factor_required', detail: 'a code please', mfa_token: 'm' }) });
    const error = (await client.login(LOGIN).catch((error: unknown) => error)) as SpragError;
    expect(error).toMatchObject({ code: 'second_factor_required', status: 401, body: { mfa_token: 'm' } });
    expect(client.session.state).toBe('signed-out');
    const { token, session } = server.open();
    await client.adopt(json(200, { access_token: 'a', refresh_token: token, expires_in: 900 }));
    expect(client.session.current).toMatchObject({ state: 'signed-in', id: session });
    await expect(client.adopt(json(400, { code: 'link_invalid', detail: 'used' }))).rejects.toMatchObject({ code: 'link_invalid' });
    await expect(client.adopt(new Response('<html>', { status: 200 }))).rejects.toMatchObject({ code: 'unreachable' });
    expect(client.session.state).toBe('signed-in');
  });

  it('take the second step of a log-in, in cookie mode too, and change nothing where it is refused', async () => {
    for (const mode of ['body', 'cookie'] as const) {
      const { server, tab } = browser({ mode });
      const client = tab({ ahead: false });
      server.next('/login', { answer: () => json(401, { code: 'second_factor_required', detail: 'a code please', mfa_token: 'm' }) });
      const { body } = (await client.login(LOGIN).catch((error: unknown) => error)) as SpragError & { body: { mfa_token: string } };
      const step = (code: string) => client.enter('/api/v1/auth/login/factor', { mfa_token: body.mfa_token, code });
      server.next('/factor', { answer: () => json(403, { code: 'code_wrong', detail: 'another code please' }) });
      await expect(step('000000')).rejects.toMatchObject({ code: 'code_wrong' });
      expect(client.session.state).not.toBe('signed-in');
      const { session, token } = server.open();
      const given = { access_token: 'a', session_id: session, expires_in: 900, ...(mode === 'body' && { refresh_token: token }) };
      server.next('/factor', { answer: () => json(200, given) });
      await step('123456');
      expect(client.session.current).toMatchObject({ state: 'signed-in', id: session });
      expect(server.asked.findLast(({ path }) => path.endsWith('/factor'))!.body).toEqual({ mfa_token: 'm', code: '123456', ...(mode === 'cookie' && { transport: 'cookie' }) });
    }
  });

  it('log out here at once, and there however often it takes', async () => {
    const { server, client } = await ready();
    server.next('/logout', { lose: 'request' }, { answer: () => json(503, { code: 'unavailable', detail: 'wait' }) });
    const done = client.logout();
    await pass();
    expect(client.session.state).toBe('signed-out');
    await pass(20_000);
    await done;
    expect([...server.rows.values()][0]!.ended).toBe('logout');
  });

  it('log out everywhere', async () => {
    const { server, client } = await ready();
    await client.logoutEverywhere();
    expect([...server.rows.values()][0]!.ended).toBe('logout_all');
    expect(client.session.current).toMatchObject({ state: 'signed-out', signedOut: { cause: 'logout_all' } });
  });

  it('say what the profile does not offer', async () => {
    const { tab } = browser();
    const { fastapiMonorepo } = await import('../src/index.js');
    const client = tab({ ahead: false, profile: fastapiMonorepo });
    await expect(client.stepUp({ password: 'x' })).rejects.toMatchObject({ code: 'signed_out' });
    expect(() => tab({ profile: fastapiMonorepo, mode: 'cookie' })).toThrow(/cookie mode/);
  });
});
