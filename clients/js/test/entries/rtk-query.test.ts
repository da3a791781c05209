import { configureStore } from '@reduxjs/toolkit';
import { createApi } from '@reduxjs/toolkit/query';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baseQueryWithReauth, resetOnSignedOut } from '../../src/rtk-query.js';
import { type Api, startApi } from './api.js';
import { stage } from './client.js';
import { type Sprag, startSprag } from './sprag.js';

let sprag: Sprag;
let api: Api;
beforeAll(async () => {
  sprag = await startSprag();
  await sprag.createUser('ada');
  api = await startApi();
});
afterAll(async () => {
  api?.close();
  await sprag?.stop();
});

async function loggedIn() {
  const it = stage(sprag, { origins: [api.url] });
  await it.logIn('ada');
  const notes = createApi({
    baseQuery: baseQueryWithReauth(it.client, { baseUrl: api.url }),
    endpoints: (build) => ({
      note: build.query<{ path: string }, string>({ query: (name) => `/notes/${name}` }),
      add: build.mutation<{ path: string }, object>({ query: (body) => ({ url: '/notes', method: 'POST', body }) }),
    }),
  });
  const store = configureStore({
    reducer: { [notes.reducerPath]: notes.reducer },
    middleware: (defaults) => defaults().concat(notes.middleware),
  });
  return { ...it, notes, store };
}

test('queries at one moment share one refresh, and a mutation arrives whole', async () => {
  const { notes, store, refreshes, client } = await loggedIn();
  await store.dispatch(notes.endpoints.note.initiate('first'));
  api.expireSeen();
  const asked = ['a', 'b', 'c'].map((name) => store.dispatch(notes.endpoints.note.initiate(name)));
  const added = store.dispatch(notes.endpoints.add.initiate({ text: 'a note' }));
  const paths = (await Promise.all(asked)).map(({ data }) => data?.path);
  expect(paths).toEqual(['/notes/a', '/notes/b', '/notes/c']);
  expect(await added.unwrap()).toEqual({ path: '/notes' });
  expect(api.seen.filter(({ body }) => body !== '').map(({ body }) => JSON.parse(body))).toEqual([
    { text: 'a note' },
    { text: 'a note' },
  ]);
  expect(refreshes()).toBe(1);
  client.close();
});

test('while the server cannot be reached a query fails as such, and the session stays', async () => {
  const { notes, store, client, cutOff } = await loggedIn();
  cutOff(true);
  const { error } = await store.dispatch(notes.endpoints.note.initiate('a'));
  expect(error).toMatchObject({ status: 'FETCH_ERROR' });
  expect(client.session.state).toBe('signed-in');
  client.close();
});

test('what was fetched for somebody is forgotten with their session', async () => {
  const { notes, store, client } = await loggedIn();
  const stop = resetOnSignedOut(client, store.dispatch, notes);
  await store.dispatch(notes.endpoints.note.initiate('secret'));
  expect(JSON.stringify(store.getState())).toContain('/notes/secret');
  await client.logout();
  expect(JSON.stringify(store.getState())).not.toContain('/notes/secret');
  stop();
  client.close();
});
