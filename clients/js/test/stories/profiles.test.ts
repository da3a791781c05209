import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import * as all from '../../src/index.js';
import { createClient, type Client, type Mode, type Profile, type SignedOut, type TokenStorage } from '../../src/index.js';
import { Network } from './network.js';
import { PASSWORD, start, type Server } from './server.js';

const PROFILES: ReadonlyArray<readonly [string, Profile, modes: readonly Mode[], me: string]> = [
  ['sprag', all.sprag, ['body', 'cookie'], '/api/v1/auth/me'],
  ['fastapi-events', all.fastapiEvents, ['body'], '/api/v1/auth/me'],
  ['fastapi-monorepo', all.fastapiMonorepo, ['body'], '/auth/me'],
  ['fastapi-template', all.fastapiTemplate, ['body'], '/api/v1/auth/me'],
  ['express-mongo', all.expressMongo, ['body', 'cookie'], '/api/auth/me'],
  ['node-sequelize', all.nodeSequelize, ['body'], '/auth/me'],
];

const memory = (): TokenStorage & { items: Map<string, string> } => {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
};

/** A busy machine's server may say that it cannot just now, which a log-in leaves to its user. */
const patiently = async <T>(call: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof all.SpragError) || (error.status < 500 && error.code !== 'unreachable')) throw error;
    }
  }
};

// Side by side, since they wait most of the time. As each is shipped: our own answers a retry, the others refuse it as the systems did whose place they take.
describe.concurrent.each(PROFILES)('%s', (name, profile, modes, me) => {
  let server: Server;
  let count = 0;
  const open: Client[] = [];

  beforeAll(async () => {
    server = await start(name, name === 'sprag' ? {} : { SPRAG_OFFERS: 'me,password' });
  });
  afterAll(async () => {
    for (const client of open) client.close();
    await server.stop();
  });

  /** Somebody new, with one storage and one network for all tabs. */
  const somebody = async (mode: Mode) => {
    const user = `ann${(count += 1)}`;
    await server.createUser(user);
    const network = new Network(server.url, (path) => path === profile.routes.refresh);
    const storage = memory();
    const ends: SignedOut[] = [];
    const tab = async (): Promise<Client> => {
      const key = `${name} ${user}`;
      const client = createClient({ url: server.url, profile, mode, storage, fetch: network.fetch, name: key });
      client.onSignedOut((why) => ends.push(why));
      open.push(client);
      await client.ready;
      return client;
    };
    const names = name === 'express-mongo' ? { email: `${user}@example.com` } : { username: user };
    const login = (client: Client, password = PASSWORD) => patiently(() => client.login({ ...names, password }));
    return { user, network, storage, ends, tab, login };
  };

  it.each(modes)('lives through lost answers, tabs and a password change until it is logged out, %s mode', async (mode) => {
    const { user, network, ends, tab, login } = await somebody(mode);
    const client = await tab();
    await expect(login(client, 'a wrong password')).rejects.toMatchObject({ status: 401, message: expect.stringMatching(/./) });
    // In cookie mode only a page asks by itself whether somebody is signed in.
    expect(client.session.state).toBe(mode === 'body' ? 'signed-out' : 'unknown');
    await login(client);
    const before = await client.accessToken();
    expect((await client.fetch(server.url + me)).status).toBe(200);
    expect(await client.refresh()).not.toBe(before);

    // Lost answers, asked for again by the same tab, by a new one, and by ten at a time.
    network.lost = 2;
    expect(await client.refresh()).toBeTruthy();
    const tabs = [client, ...(await Promise.all(Array.from({ length: 9 }, tab)))];
    network.lost = 3;
    await Promise.all(tabs.map((each) => each.refresh().catch(() => {})));
    network.lost = 0;
    for (const each of tabs) expect(await patiently(() => each.accessToken())).toBeTruthy();

    network.isDown = true;
    // What is under way may still be answered.
    await Promise.all(tabs.map((each) => each.refresh().catch(() => {})));
    await expect(client.refresh()).rejects.toMatchObject({ code: 'unreachable' });
    network.isDown = false;
    expect(client.session.state).toBe('signed-in');

    const change = (current: string) => patiently(() => client.changePassword(current, 'an even longer password'));
    await expect(change('a wrong password')).rejects.toBeInstanceOf(all.SpragError);
    await change(PASSWORD);
    for (const each of tabs) expect((await each.fetch(server.url + me)).status).toBe(200);
    expect(ends).toEqual([]);
    expect(await server.sessions(user)).toHaveLength(1);

    await client.logout();
    expect(await server.sessions(user)).toHaveLength(0);
    for (const each of tabs) if (mode === 'body') expect(await each.refresh()).toBeUndefined();
    if (mode === 'body') expect(ends.map(({ cause }) => cause)).toEqual(Array(10).fill('logout'));
    expect(await patiently(() => client.refresh())).toBeUndefined();
  });

  it.each(modes)('ends when the server says so, and not for a token that it does not know, %s mode', async (mode) => {
    const { user, storage, ends, tab, login } = await somebody(mode);
    const client = await tab();
    await login(client);
    await server.endSessions(user);
    expect((await client.fetch(server.url + me)).status).toBe(401);
    expect(client.session.state).toBe('signed-out');
    expect(ends).toHaveLength(1);
    if (profile.refusal.cause) expect(ends[0]!.cause).toBe('admin');
    expect(JSON.parse([...storage.items.values()][0]!)).not.toHaveProperty('t');

    await login(client);
    if (mode === 'body') {
      client.close();
      const [key, text] = [...storage.items][0]!;
      const kept = JSON.parse(text);
      storage.items.set(key, JSON.stringify({ ...kept, t: `${kept.t.slice(0, -6)}AAAAAA` }));
      const next = await tab();
      expect(await patiently(() => next.refresh())).toBeUndefined();
      expect(next.session.state).toBe('signed-out');
      expect(JSON.parse(storage.items.get(key)!).t).toMatch(/AAAAAA$/);
      await login(next);
    }
    const last = await tab();
    if (profile.routes.logoutEverywhere) await patiently(() => last.logoutEverywhere());
    else await expect(last.logoutEverywhere()).rejects.toMatchObject({ code: 'not_offered' });
    await login(last);
    await server.disable(user);
    expect(await patiently(() => last.refresh())).toBeUndefined();
    expect(last.session.state).toBe('signed-out');
  });
});
