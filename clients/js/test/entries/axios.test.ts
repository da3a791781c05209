import { Readable } from 'node:stream';
import axios, { type AxiosError, type InternalAxiosRequestConfig } from 'axios';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { attach } from '../../src/axios.js';
import type { Client } from '../../src/types.js';
import { type Api, startApi } from './api.js';
import { type Stage, stage } from './client.js';
import { type Sprag, startSprag } from './sprag.js';

let sprag: Sprag;
let api: Api;
// A log-in is what costs the server most: one for all of them.
let shared: Stage;
let detach = () => {};
beforeAll(async () => {
  sprag = await startSprag();
  await sprag.createUser('ada');
  api = await startApi();
  shared = stage(sprag, { origins: [api.url] });
  await shared.logIn('ada');
});
afterEach(() => {
  detach();
  api.refuseAll = false;
});
afterAll(async () => {
  shared?.client.close();
  api?.close();
  await sprag?.stop();
});

function loggedIn() {
  const instance = axios.create({ baseURL: api.url });
  detach = attach(instance, shared.client);
  const before = shared.refreshes();
  return { ...shared, refreshes: () => shared.refreshes() - before, instance };
}

const statusOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 200,
    (error: AxiosError) => error.response?.status,
  );

test('calls with an expired token are refreshed once between them, and each is sent again', async () => {
  const { instance, refreshes } = loggedIn();
  await instance.get('/notes');
  api.expireSeen();
  const answers = await Promise.all(['/a', '/b', '/c', '/d'].map((path) => instance.get(path)));
  expect(answers.map(({ data }) => data.path)).toEqual(['/a', '/b', '/c', '/d']);
  expect(refreshes()).toBe(1);
});

test('a body arrives whole the second time, with its type', async () => {
  const { instance } = loggedIn();
  await instance.get('/notes');
  api.expireSeen();
  await instance.post('/notes', { text: 'a "note"', many: [1, 2] });
  expect(api.seen.slice(-2).map(({ body }) => JSON.parse(body))).toEqual([
    { text: 'a "note"', many: [1, 2] },
    { text: 'a "note"', many: [1, 2] },
  ]);
});

test('a stream cannot be sent twice: what was answered is given', async () => {
  const { instance, refreshes } = loggedIn();
  await instance.get('/notes');
  api.expireSeen();
  const before = api.seen.length;
  expect(await statusOf(instance.post('/upload', Readable.from(['part one', 'part two'])))).toBe(401);
  expect([api.seen.length - before, refreshes()]).toEqual([1, 0]);
});

test('a refusal that stays one is given after one repetition, also where 401 counts as success', async () => {
  const { instance, refreshes } = loggedIn();
  api.refuseAll = true;
  const before = api.seen.length;
  expect(await statusOf(instance.get('/notes'))).toBe(401);
  expect([api.seen.length - before, refreshes()]).toEqual([2, 1]);
  const answer = await instance.get('/notes', { validateStatus: () => true });
  expect(answer.status).toBe(401);
});

test('other origins, and requests with an authorization of their own, are let by', async () => {
  const { instance } = loggedIn();
  const stranger = await startApi();
  expect(await statusOf(instance.get(`${stranger.url}/notes`))).toBe(401);
  expect(stranger.seen.map(({ token }) => token)).toEqual([undefined]);
  stranger.close();
  await instance.get('/notes', { headers: { Authorization: 'Bearer mine' } });
  expect(api.seen.at(-1)?.token).toBe('mine');
});

test("a request is not repeated with another person's token", async () => {
  const jwt = (sub: string) => `e30.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.c2ln`;
  const client = { allows: () => true, accessToken: async () => jwt('ada'), refresh: async () => jwt('ben') };
  const instance = axios.create({ baseURL: api.url });
  detach = attach(instance, client as unknown as Client);
  api.refuseAll = true;
  const before = api.seen.length;
  expect(await statusOf(instance.post('/notes', { text: "ada's" }))).toBe(401);
  expect(api.seen.slice(before).map(({ token }) => token)).toEqual([jwt('ada')]);
});

test('a redirect takes the token along to allowed origins alone', async () => {
  const { instance } = loggedIn();
  const kept: Record<string, unknown> = {};
  const own: string[] = [];
  // As axios' adapter for Node does it before it follows one.
  const adapter = async (config: InternalAxiosRequestConfig) => {
    const there = new URL(api.url);
    const addresses = [`${api.url}/other`, `http://sub.localhost:${there.port}/`, api.url.replace('http:', 'https:')];
    for (const href of addresses) {
      const options = { href, headers: { authorization: 'Bearer token', accept: '*/*' } };
      config.beforeRedirect?.(options, { headers: {}, statusCode: 302 }, { headers: {}, url: api.url, method: 'GET' });
      kept[href] = options.headers.authorization;
      expect(options.headers.accept).toBe('*/*');
    }
    return { data: '', status: 200, statusText: '', headers: {}, config };
  };
  await instance.get('/notes', { adapter, beforeRedirect: ({ href }) => void own.push(href) });
  expect(Object.values(kept)).toEqual(['Bearer token', undefined, undefined]);
  expect(own).toEqual(Object.keys(kept));
});

test('while the server cannot be reached a call fails as such, and nobody is logged out', async () => {
  const { instance, client, cutOff } = loggedIn();
  await instance.get('/notes');
  api.expireSeen();
  cutOff(true);
  const error = await instance.get('/notes').catch((error) => error);
  expect(error.code).toBe('unreachable');
  expect(client.session.state).toBe('signed-in');
  cutOff(false);
});

test('a session that was ended leads to its end once, and calls go without a token from then on', async () => {
  const { instance, client } = loggedIn();
  await instance.get('/notes');
  const causes: string[] = [];
  client.onSignedOut(({ cause }) => causes.push(cause));
  await sprag.endSessions('ada');
  api.expireSeen();
  expect(await Promise.all(['/a', '/b'].map((path) => statusOf(instance.get(path))))).toEqual([401, 401]);
  expect(causes).toEqual(['admin']);
  expect(await statusOf(instance.get('/c'))).toBe(401);
  expect(api.seen.at(-1)?.token).toBeUndefined();
});
