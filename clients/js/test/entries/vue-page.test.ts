// @vitest-environment happy-dom

import { expect, test, vi } from 'vitest';
import { createApp, createSSRApp, defineComponent, h, nextTick } from 'vue';
import type { SessionSnapshot } from '../../src/types.js';
import { sprag, useSession, useSignedOut } from '../../src/vue.js';
import { fakeClient } from './fake.js';

const Name = defineComponent({
  setup() {
    const session = useSession();
    useSignedOut(() => undefined);
    return () => h('p', `${session.value.state} ${session.value.claims?.['sub'] ?? 'nobody'}`);
  },
});

test("Vue: the first render is the server's, then the client's, until the page is gone", async () => {
  const fake = fakeClient({ state: 'signed-in', claims: { sub: 'ada' } });
  const place = document.createElement('div');
  place.innerHTML = '<p>unknown nobody</p>';
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const error = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const app = createSSRApp(Name).use(sprag(fake.client));
  app.mount(place);
  await nextTick();
  expect([warn.mock.calls, error.mock.calls]).toEqual([[], []]);
  expect(place.textContent).toBe('signed-in ada');
  expect([fake.listeners(), fake.ends()]).toEqual([1, 1]);
  fake.becomes({ state: 'signed-out' });
  await nextTick();
  expect(place.textContent).toBe('signed-out nobody');
  app.unmount();
  expect([fake.listeners(), fake.ends()]).toEqual([0, 0]);
});

test('Vue: what the server knew is shown until the client knows for itself', async () => {
  const fake = fakeClient();
  const place = document.createElement('div');
  place.innerHTML = '<p>signed-in ada</p>';
  const initial: SessionSnapshot = { state: 'signed-in', claims: { sub: 'ada' } };
  const app = createSSRApp(Name).use(sprag(fake.client, { initial }));
  app.mount(place);
  await nextTick();
  expect(place.textContent).toBe('signed-in ada');
  fake.becomes({ state: 'signed-out' });
  await nextTick();
  expect(place.textContent).toBe('signed-out nobody');
  app.unmount();
});

test('Vue: a page that no server made knows the session while it is set up', () => {
  const fake = fakeClient({ state: 'signed-in', claims: { sub: 'ada' } });
  const seen: string[] = [];
  const Guard = defineComponent({
    setup() {
      seen.push(useSession().value.state);
      return () => h('p');
    },
  });
  const app = createApp(Guard).use(sprag(fake.client));
  app.mount(document.createElement('div'));
  expect(seen).toEqual(['signed-in']);
  app.unmount();
});
