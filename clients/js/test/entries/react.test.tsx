// @vitest-environment happy-dom
// @vitest-environment-options { "settings": { "disableCSSFileLoading": true } }
import { act, createElement as h, type FunctionComponent } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SessionProvider, useClient, useSession, useSignedOut } from '../../src/react.js';
import { fakeClient } from './fake.js';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

let place: HTMLElement;
beforeEach(() => {
  place = document.createElement('div');
});
afterEach(() => vi.restoreAllMocks());

const Name: FunctionComponent = () => {
  const { state, claims } = useSession();
  return h('p', null, `${state} ${claims?.['sub'] ?? ''}`);
};

test('a component shows the session, and renders anew when it changes and only then', async () => {
  const fake = fakeClient();
  let renders = 0;
  const Counted = () => {
    renders += 1;
    return h(Name);
  };
  const root = createRoot(place);
  await act(() => root.render(h(SessionProvider, { client: fake.client }, h(Counted))));
  expect(place.textContent).toBe('unknown ');
  await act(() => fake.becomes({ state: 'signed-in', claims: { sub: 'ada' } }));
  expect(place.textContent).toBe('signed-in ada');
  await act(() => fake.becomes({ state: 'signed-out' }));
  expect(place.textContent).toBe('signed-out ');
  expect([renders, fake.listeners()]).toEqual([1, 1]);
  await act(() => root.unmount());
  expect(fake.listeners()).toBe(0);
});

test('the server renders what it knows, the page begins with the same, and goes on with what the client knows', async () => {
  const errors = vi.spyOn(console, 'error');
  const fake = fakeClient();
  const initial = { state: 'signed-in', claims: { sub: 'ada' } } as const;
  const app = h(SessionProvider, { client: fake.client, initial }, h(Name));
  place.innerHTML = renderToString(app);
  expect(place.textContent).toBe('signed-in ada');
  const root = await act(async () => hydrateRoot(place, app));
  // The client does not know yet: nothing flickers.
  expect(place.textContent).toBe('signed-in ada');
  await act(() => fake.becomes({ state: 'signed-out' }));
  expect(place.textContent).toBe('signed-out ');
  expect(errors).not.toHaveBeenCalled();
  await act(() => root.unmount());
});

test('without anything known, the server renders "unknown", whatever the client knows already', async () => {
  const errors = vi.spyOn(console, 'error');
  const fake = fakeClient();
  const app = h(SessionProvider, { client: fake.client }, h(Name));
  place.innerHTML = renderToString(app);
  expect(place.textContent).toBe('unknown ');
  fake.becomes({ state: 'signed-in', claims: { sub: 'ada' } });
  const root = await act(async () => hydrateRoot(place, app));
  expect(place.textContent).toBe('signed-in ada');
  expect(errors).not.toHaveBeenCalled();
  await act(() => root.unmount());
});

test('an end is told once, to the newest listener', async () => {
  const fake = fakeClient({ state: 'signed-in' });
  const told: string[] = [];
  const Listening = ({ as }: { as: string }) => {
    useSignedOut(({ cause }) => told.push(`${as} ${cause}`));
    expect(useClient()).toBe(fake.client);
    return null;
  };
  const root = createRoot(place);
  for (const as of ['first', 'second']) {
    await act(() => root.render(h(SessionProvider, { client: fake.client }, h(Listening, { as }))));
  }
  await act(() => fake.becomes({ state: 'signed-out', signedOut: { cause: 'revoked', detail: '' } }));
  expect(told).toEqual(['second revoked']);
  await act(() => root.unmount());
});

test('a client can be handed in, and where there is none it is said what to do', async () => {
  const fake = fakeClient({ state: 'signed-in' });
  const Direct = () => h('p', null, useSession(fake.client).state);
  const root = createRoot(place);
  await act(() => root.render(h(Direct)));
  expect(place.textContent).toBe('signed-in');
  expect(() => renderToString(h(Name))).toThrow('SessionProvider');
  await act(() => root.unmount());
});
