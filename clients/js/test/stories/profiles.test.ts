import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import * as all from '../../src/index.js';
import { createClient, type Client, type Mode, type Profile, type SignedOut, type TokenStorage } from '../../src/index.js';
import { Network } from './network.js';
import { PASSWORD, start, type Server } from './server.js';

const PROFILES: ReadonlyArray<readonly [string, Profile, Mode, me: string | undefined]> = [
  ['sprag', all.sprag, 'body', '/api/v1/auth/me'],
  ['sprag', all.sprag, 'cookie', '/api/v1/auth/me'],
  ['fastapi-events', all.fastapiEvents, 'body', '/api/v1/auth/me'],
  ['fastapi-monorepo', all.fastapiMonorepo, 'body', '/auth/me'],
  ['fastapi-template', all.fastapiTemplate, 'body', '/api/v1/auth/me'],
  ['express-mongo', all.expressMongo, 'body', '/api/auth/me'],
  ['express-mongo', all.expressMongo, 'cookie', '/api/auth/me'],
  ['node-sequelize', all.nodeSequelize, 'body', '/auth/me'],
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

describe.each(PROFILES)('%s', (name, profile, mode, me) => {
  describe(`in ${mode} mode`, () => {
    let server: Server;
    let count = 0;
    const open: Client[] = [];

    beforeAll(async () => {
      server = await start(name, { SPRAG_OFFERS: name === 'sprag' ? '' : 'me,password', SPRAG_RETRY: 'answer' });
    });
    afterAll(async () => {
      for (const client of open) client.close();
      await server.stop();
    });

    /** Somebody new, with one storage and one network for each of the tabs. */
    const somebody = async () => {
      const user = `ann${(count += 1)}`;
      await server.createUser(user);
      const network = new Network(server.url, (path) => path === profile.routes.refresh);
      const storage = memory();
      const ends: SignedOut[] = [];
      const tab = (): Client => {
        const client = createClient({ url: server.url, profile, mode, storage, fetch: network.fetch, name: `${name} ${mode} ${user}` });
        client.onSignedOut((why) => ends.push(why));
        open.push(client);
        return client;
      };
      const names = name === 'express-mongo' ? { email: `${user}@example.com` } : { username: user };
      const login = (client: Client) => client.login({ ...names, password: PASSWORD });
      return { user, network, storage, ends, tab, login };
    };

    it('logs in, calls, refreshes, logs out', async () => {
      const { user, tab, login, ends } = await somebody();
      const client = tab();
      await client.ready;
      await login(client);
      expect(client.session.state).toBe('signed-in');
      const answer = await client.fetch(server.url + me);
      expect(answer.status).toBe(200);
      const before = await client.accessToken();
      const after = await client.refresh();
      expect(after).toBeTruthy();
      expect(after).not.toBe(before);
      expect(await server.sessions(user)).toHaveLength(1);
      await client.logout();
      expect(await server.sessions(user)).toHaveLength(0);
      expect(ends.map(({ cause }) => cause)).toEqual(['logout']);
      expect(await client.refresh()).toBeUndefined();
    });

    it('asks for a lost answer again, also as another tab and after a reload', async () => {
      const { user, network, tab, login, ends } = await somebody();
      const first = tab();
      await login(first);
      network.lost = 2;
      expect(await first.refresh()).toBeTruthy();
      const second = tab();
      await second.ready;
      network.lost = 1;
      expect(await Promise.all([first.refresh(), second.refresh()])).not.toContain(undefined);
      expect((await first.fetch(server.url + me)).status).toBe(200);
      expect(ends).toEqual([]);
      expect(await server.sessions(user)).toHaveLength(1);
    });

    it('stays signed in while the server is out of reach', async () => {
      const { network, tab, login, ends } = await somebody();
      const client = tab();
      await login(client);
      network.isDown = true;
      await expect(client.refresh()).rejects.toMatchObject({ code: 'unreachable' });
      expect(client.session.state).toBe('signed-in');
      network.isDown = false;
      await new Promise((resolve) => setTimeout(resolve, 1100));
      expect(await client.refresh()).toBeTruthy();
      expect(ends).toEqual([]);
    });

    it('knows the end of a session when it is told', async () => {
      const { user, tab, login, ends, storage } = await somebody();
      const client = tab();
      await login(client);
      await server.endSessions(user);
      expect((await client.fetch(server.url + me)).status).toBe(401);
      expect(client.session.state).toBe('signed-out');
      expect(ends).toHaveLength(1);
      expect(JSON.stringify([...storage.items.values()])).not.toContain('spr_');
      if (profile.refusal.cause) expect(ends[0]!.cause).toBe('admin');
    });

    it('knows that an account was disabled', async () => {
      const { user, tab, login, ends } = await somebody();
      const client = tab();
      await login(client);
      await server.disable(user);
      expect(await client.refresh()).toBeUndefined();
      expect(client.session.state).toBe('signed-out');
      expect(ends).toHaveLength(1);
    });

    it('goes on as another session after a password change', async () => {
      const { tab, login, ends } = await somebody();
      const [client, other] = [tab(), tab()];
      await login(client);
      await client.changePassword(PASSWORD, 'an even longer password');
      expect((await client.fetch(server.url + me)).status).toBe(200);
      expect(await client.refresh()).toBeTruthy();
      expect(await other.refresh()).toBeTruthy();
      expect(ends).toEqual([]);
      await expect(client.changePassword('a wrong password', 'yet another one')).rejects.toBeInstanceOf(all.SpragError);
      expect(client.session.state).toBe('signed-in');
    });

    it('keeps a token that the server does not know for the next start', async () => {
      if (mode === 'cookie') return;
      const { tab, login, storage } = await somebody();
      const client = tab();
      await login(client);
      client.close();
      const [key, text] = [...storage.items][0]!;
      const kept = JSON.parse(text);
      storage.items.set(key, JSON.stringify({ ...kept, t: `${kept.t.slice(0, -6)}AAAAAA` }));
      const next = tab();
      expect(await next.refresh()).toBeUndefined();
      expect(next.session.state).toBe('signed-out');
      expect(JSON.parse(storage.items.get(key)!).t).toMatch(/AAAAAA$/);
      await login(next);
      expect(next.session.state).toBe('signed-in');
    });

    it('ends every session where the profile can', async () => {
      const { user, tab, login } = await somebody();
      const client = tab();
      await login(client);
      if (!profile.routes.logoutEverywhere) {
        await expect(client.logoutEverywhere()).rejects.toMatchObject({ code: 'not_offered' });
        return;
      }
      await client.logoutEverywhere();
      expect(await server.sessions(user)).toHaveLength(0);
      expect(client.session.state).toBe('signed-out');
    });

    it('says what was wrong with a log-in', async () => {
      const { tab, user } = await somebody();
      const client = tab();
      const names = name === 'express-mongo' ? { email: `${user}@example.com` } : { username: user };
      const error = await client.login({ ...names, password: 'a wrong password' }).catch((error: unknown) => error);
      expect(error).toMatchObject({ status: 401 });
      expect((error as Error).message).toBeTruthy();
      expect(client.session.state).toBe('signed-out');
    });

    it('is one session for ten tabs on a bad line', async () => {
      const { user, network, tab, login, ends } = await somebody();
      const first = tab();
      await login(first);
      const tabs = [first, ...Array.from({ length: 9 }, () => tab())];
      for (let turn = 0; turn < 4; turn += 1) {
        network.lost = 3;
        await Promise.all(tabs.map((each) => each.refresh().catch(() => {})));
      }
      network.lost = 0;
      await new Promise((resolve) => setTimeout(resolve, 1100));
      for (const each of tabs) expect(await each.refresh()).toBeTruthy();
      expect(ends).toEqual([]);
      expect(await server.sessions(user)).toHaveLength(1);
    });
  });
});

describe('profiles that refuse retries, as the systems did whose place they take', () => {
  it.each(PROFILES.filter(([name, , mode]) => name !== 'sprag' && mode === 'body'))('%s: nobody is signed out', async (name, profile) => {
    const server = await start(name, { SPRAG_OFFERS: 'me' });
    try {
      await server.createUser('ann');
      const network = new Network(server.url, (path) => path === profile.routes.refresh);
      const storage = memory();
      const tabs = Array.from({ length: 4 }, () =>
        createClient({ url: server.url, profile, mode: 'body', storage, fetch: network.fetch, name: `refuse ${name}` }),
      );
      await tabs[0]!.login(name === 'express-mongo' ? { email: 'ann@example.com', password: PASSWORD } : { username: 'ann', password: PASSWORD });
      for (let turn = 0; turn < 3; turn += 1) {
        network.lost = 1;
        await Promise.all(tabs.map((each) => each.refresh().catch(() => {})));
      }
      network.lost = 0;
      expect(await tabs[1]!.refresh()).toBeTruthy();
      expect(await server.sessions('ann')).toHaveLength(1);
      for (const each of tabs) each.close();
    } finally {
      await server.stop();
    }
  });
});
