import { afterEach, describe, expect, it, vi } from 'vitest';

import { accessOf, dueIn, now } from '../src/access.js';
import { sprag, type SpragError } from '../src/index.js';
import { json, jwt } from './ratchet.js';
import { browser, MINUTE, pass } from './tabs.js';

afterEach(() => void vi.useRealTimers());

const LOGIN = { username: 'ann', password: 'a long password' };
const LOST = { lose: 'request' as const };

describe('refreshing ahead of expiry', () => {
  it('is done when the server wants it', async () => {
    const { server, tab } = browser();
    server.refreshIn = 200;
    const client = tab();
    await client.login(LOGIN);
    await pass(199_000);
    expect(server.refreshes()).toHaveLength(0);
    await pass(4000);
    expect(server.refreshes()).toHaveLength(1);
    await pass(205_000);
    expect(server.refreshes()).toHaveLength(2);
  });

  it('is jittered by the client where the server says nothing', async () => {
    vi.useFakeTimers();
    const drawn = (isFirst: boolean): number[] =>
      Array.from({ length: 2000 }, () => accessOf(sprag, { access_token: 'x', expires_in: 900 }, '', isFirst, now()).ahead / 900_000);
    const [first, later] = [drawn(true), drawn(false)];
    expect(Math.min(...first)).toBeGreaterThanOrEqual(0.15);
    expect(Math.max(...first)).toBeLessThanOrEqual(0.9);
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(0.7);
    expect(Math.min(...later)).toBeGreaterThanOrEqual(0.6);
    expect(Math.max(...later)).toBeLessThanOrEqual(0.9);
    expect(Math.max(...later) - Math.min(...later)).toBeGreaterThan(0.28);
  });

  it('counts with the token where the answer tells no life', () => {
    vi.useFakeTimers();
    const token = jwt({ iat: 5_000_000_000, exp: 5_000_000_120 });
    expect(accessOf(sprag, { access_token: token }, '', true, now()).life).toBe(115_000);
    expect(accessOf(sprag, { access_token: 'opaque' }, '', true, now()).life).toBe(295_000);
  });

  it.each([0, -5, 'soon', null, {}, NaN])('believes no time that cannot be one: %j', (told) => {
    vi.useFakeTimers();
    const { life, ahead } = accessOf(sprag, { access_token: 'x', expires_in: told, refresh_in: told }, '', false, now());
    expect(life).toBe(295_000);
    expect(ahead).toBeGreaterThanOrEqual(0.6 * 300_000);
    expect(ahead).toBeLessThanOrEqual(0.9 * 300_000);
  });

  it('keeps nobody waiting: a call goes out with the token that still works', async () => {
    const { server, tab } = browser();
    server.refreshIn = 100;
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    await pass(200_000);
    server.next('/refresh', { after: 5000 });
    const answer = await client.fetch('http://auth.test/things');
    expect(answer.status).toBe(200);
    await pass();
    expect(server.refreshes()).toHaveLength(1);
    await pass(6000);
  });

  it('waits for the new token where the old one no longer works', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    await pass(901_000);
    const { bearer } = await (await client.fetch('http://auth.test/things')).json();
    expect(bearer).toBe(await client.accessToken());
    expect(server.asked.map(({ path }) => path.split('/').pop())).toEqual(['login', 'refresh', 'things']);
  });

  it.each([['a day ahead', 86_400_000], ['a day behind', -86_400_000]])('works on a machine whose clock is %s', async (_, off) => {
    const { server, tab } = browser();
    const issued = Date.now();
    const wrong = vi.spyOn(Date, 'now').mockImplementation(() => issued + performance.now() + off);
    server.refreshIn = 600;
    server.next('/login', {
      answer: () => {
        const token = jwt({ iat: Math.floor(issued / 1000), exp: Math.floor(issued / 1000) + 900, sid: 's' });
        return json(200, { access_token: token, refresh_token: 'opaque', expires_in: 900, refresh_in: 600, session_id: 's' });
      },
    });
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    await pass(500_000);
    expect(await client.accessToken()).toBeTruthy();
    expect(server.refreshes()).toHaveLength(0);
    wrong.mockRestore();
  });

  it('is done after a sleep in which the monotonic clock stood still', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    vi.setSystemTime(Date.now() + 3 * 60 * MINUTE); // No timer fires, and `performance.now` does not move.
    expect(await client.accessToken()).toBeTruthy();
    expect(server.refreshes()).toHaveLength(1);
  });

  it('is not undone by a clock that is set back', async () => {
    const { server, tab } = browser();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    vi.setSystemTime(Date.now() - 24 * 60 * MINUTE);
    await pass(901_000);
    expect(await client.accessToken()).toBeTruthy();
    expect(server.refreshes()).toHaveLength(1);
  });
});

describe('a server that does not answer', () => {
  it('is asked three times inside the reuse interval, eight seconds each', async () => {
    const { server, tab } = browser();
    const client = tab();
    await client.login(LOGIN);
    server.next('/refresh', { hang: true }, { hang: true }, { hang: true });
    const begun = performance.now();
    const failed = client.refresh().catch((error: SpragError) => [error.code, performance.now() - begun] as const);
    await pass(30_000);
    const [code, took] = (await failed) as readonly [string, number];
    expect(code).toBe('unreachable');
    expect(took).toBeGreaterThan(24_000);
    expect(took).toBeLessThan(30_000);
  });

  it.each([
    ['unreachable', LOST],
    ['refusing with 503', { answer: () => json(503, { code: 'unavailable', detail: 'wait' }) }],
  ])('is asked again every 12 s at most while it is %s, and the session goes on', async (_, fate) => {
    const { server, tab } = browser();
    const client = tab();
    await client.login(LOGIN);
    server.next('/refresh', ...Array(1000).fill(fate));
    client.refresh().catch(() => {});
    await pass(60 * MINUTE);
    const times = server.refreshes().map(({ at }) => at);
    const gaps = times.slice(1).map((at, index) => at - times[index]!);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(12_000);
    expect(Math.min(...gaps.slice(6))).toBeGreaterThanOrEqual(9000);
    expect(client.session.state).toBe('signed-in');
    server.fates.clear();
    await pass(12_000);
    expect(await client.accessToken()).toBeTruthy();
  });

  it('is left alone for as long as it asks', async () => {
    const { server, tab } = browser();
    const client = tab();
    await client.login(LOGIN);
    server.next('/refresh', { answer: () => json(429, { code: 'rate_limited', detail: 'wait' }, { 'Retry-After': '90' }) });
    const failed = await client.refresh().catch((error: SpragError) => error);
    expect(failed).toMatchObject({ code: 'rate_limited', status: 429, retryAfter: 90 });
    await pass(60_000);
    expect(await client.refresh().catch((error: SpragError) => error.code)).toBe('rate_limited');
    expect(server.refreshes()).toHaveLength(1);
    await pass(31_000);
    expect(server.refreshes()).toHaveLength(2);
    expect(client.session.state).toBe('signed-in');
  });

  it.each([
    ['in 90 seconds, as a date', () => new Date(Date.now() + 90_000).toUTCString(), {}, 90],
    ['as a date by its own clock, which is a day ahead', () => new Date(Date.now() + 86_490_000).toUTCString(), { Date: 86_400_000 }, 90],
    ['in the past', () => new Date(0).toUTCString(), {}, 0],
    ['a negative time', () => '-5', {}, 0],
    ['a fraction', () => '1.5', {}, 1.5],
    ['no number', () => 'soon', {}, 0],
    ['nothing', () => '', {}, 0],
    ['for ever', () => 'Infinity', {}, 86_400],
    ['longer than anybody waits', () => '9'.repeat(400), {}, 86_400],
    ['as a date in a thousand years', () => 'Fri, 01 Jan 3027 00:00:00 GMT', {}, 86_400],
  ])('may say when to come back: %s', async (_, when, { Date: ahead }: { Date?: number }, seconds) => {
    const { server, tab } = browser();
    const client = tab();
    await client.login(LOGIN);
    const date = ahead === undefined ? {} : { Date: new Date(Date.now() + ahead).toUTCString() };
    const busy = { answer: () => json(503, { code: 'unavailable', detail: 'wait' }, { 'Retry-After': when(), ...date }) };
    server.next('/refresh', busy, busy, busy, busy);
    const failed = client.refresh().catch((error: SpragError) => error.retryAfter);
    await pass(4000);
    expect(await failed).toBe(seconds);
    // However long it says: within ten minutes it is asked again.
    const asked = server.refreshes().length;
    await pass(10 * MINUTE);
    expect(server.refreshes().length).toBeGreaterThan(asked);
    expect(client.session.state).toBe('signed-in');
  });

  it('does not let Node leave while somebody waits for the next try', async () => {
    const { server, tab } = browser();
    vi.useRealTimers();
    const client = tab({ ahead: false });
    await client.login(LOGIN);
    const timers = vi.spyOn(globalThis, 'setTimeout');
    server.next('/refresh', LOST);
    const asked = client.refresh();
    await vi.waitFor(() => expect(server.refreshes()).toHaveLength(1));
    await new Promise((resolve) => setImmediate(resolve));
    const waits = timers.mock.results.filter((_, index) => timers.mock.calls[index]![1]! >= 750 && timers.mock.calls[index]![1]! <= 1000);
    expect(waits.map(({ value }) => (value as NodeJS.Timeout).hasRef())).toEqual([true]);
    expect(await asked).toBeTruthy();
  });

  it('costs no call that the token still allows', async () => {
    const { server, tab } = browser();
    server.refreshIn = 10;
    const client = tab();
    await client.login(LOGIN);
    server.next('/refresh', ...Array(100).fill(LOST));
    await pass(5 * MINUTE);
    expect((await client.fetch('http://auth.test/things')).status).toBe(200);
  });
});

describe('a crowd', () => {
  /** Refreshes per minute of 50,000 sessions that opened in one second, during their second access-token life. */
  const peakToMean = (answered: (isFirst: boolean) => Record<string, unknown>): number => {
    vi.useFakeTimers({ toFake: ['performance', 'Date'] });
    const life = 900_000;
    const minutes = new Array<number>(15).fill(0);
    for (let session = 0; session < 50_000; session += 1) {
      let isFirst = true;
      for (let at = Math.random() * 1000; at < 2 * life; isFirst = false) {
        at += dueIn(accessOf(sprag, { access_token: 'e30.e30.x', ...answered(isFirst) }, '', isFirst, now()));
        if (at >= life && at < 2 * life) minutes[Math.floor((at - life) / MINUTE)]! += 1;
      }
    }
    const mean = minutes.reduce((sum, each) => sum + each) / minutes.length;
    return Math.max(...minutes) / mean;
  };

  it('that logged in in one second does not come back in one, by the client alone', () => {
    expect(peakToMean(() => ({ expires_in: 900 }))).toBeLessThanOrEqual(1.5);
  });

  it('nor where the server says when', () => {
    // As docs/reference/profiles.md has it for `$refresh_in`.
    const told = (isFirst: boolean): Record<string, unknown> => {
      const life = Math.round(900 * (1 - 0.1 * Math.random()));
      const share = (isFirst ? 0.15 : 0.6) + Math.random() * (isFirst ? 0.75 : 0.3);
      return { expires_in: life, refresh_in: Math.floor(life * share) };
    };
    expect(peakToMean(told)).toBeLessThanOrEqual(1.5);
  });

  it('and would, did everybody refresh at nine tenths', () => {
    expect(peakToMean(() => ({ expires_in: 900, refresh_in: 810 }))).toBeGreaterThan(1.5);
  });
});
