import { get } from 'svelte/store';
import { expect, test } from 'vitest';
import { createSSRApp, defineComponent, effectScope, h, watchEffect } from 'vue';
import { renderToString } from 'vue/server-renderer';
import { sessionStore } from '../../src/svelte.js';
import type { SessionSnapshot } from '../../src/types.js';
import { sprag, useSession, useSignedOut } from '../../src/vue.js';
import { fakeClient } from './fake.js';

test('Vue: a ref follows the session until its component is gone', () => {
  const fake = fakeClient();
  const [scope, seen, ends] = [effectScope(), [] as string[], [] as string[]];
  scope.run(() => {
    const session = useSession(fake.client);
    watchEffect(() => seen.push(session.value.state), { flush: 'sync' });
    useSignedOut(({ cause }) => ends.push(cause), fake.client);
  });
  fake.becomes({ state: 'signed-in' });
  fake.becomes({ state: 'signed-out', signedOut: { cause: 'logout', detail: '' } });
  expect([seen, ends]).toEqual([['unknown', 'signed-in', 'signed-out'], ['logout']]);
  expect([fake.listeners(), fake.ends()]).toEqual([1, 1]);
  scope.stop();
  expect([fake.listeners(), fake.ends()]).toEqual([0, 0]);
  fake.becomes({ state: 'signed-in' });
  expect(seen.length).toBe(3);
});

const Name = defineComponent({
  setup() {
    const session = useSession();
    useSignedOut(() => undefined);
    return () => h('p', `${session.value.state} ${session.value.claims?.['sub'] ?? 'nobody'}`);
  },
});

test('Vue: a server shows nobody the session of its one client, but what it knew of this visitor', async () => {
  const fake = fakeClient({ state: 'signed-in', claims: { sub: 'somebody else' } });
  const rendered = (initial?: SessionSnapshot) =>
    renderToString(createSSRApp(Name).use(sprag(fake.client, { initial })));
  expect(await rendered()).toBe('<p>unknown nobody</p>');
  expect(await rendered({ state: 'signed-in', claims: { sub: 'ada' } })).toBe('<p>signed-in ada</p>');
  await expect(renderToString(createSSRApp(Name))).rejects.toMatchObject({ code: 'no_client' });
  await expect(renderToString(createSSRApp(Name))).rejects.toThrow('app.use(sprag(client))');
});

test('Vue: a server that renders keeps no listener of any page', async () => {
  const fake = fakeClient();
  for (let times = 0; times < 3; times++) await renderToString(createSSRApp(Name).use(sprag(fake.client)));
  expect([fake.listeners(), fake.ends()]).toEqual([0, 0]);
});

test('Svelte: a store follows the session while somebody looks, and begins with what the server knew', () => {
  const fake = fakeClient();
  const store = sessionStore(fake.client, { state: 'signed-in', claims: { sub: 'ada' } });
  expect(get(store)).toMatchObject({ state: 'signed-in' });
  const seen: string[] = [];
  const stop = store.subscribe(({ state }) => seen.push(state));
  fake.becomes({ state: 'signed-out' });
  fake.becomes({ state: 'signed-in' });
  expect(seen).toEqual(['signed-in', 'signed-out', 'signed-in']);
  stop();
  expect(fake.listeners()).toBe(0);
});
