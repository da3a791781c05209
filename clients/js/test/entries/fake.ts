// A client whose session becomes what a test wants, for what merely shows it.

import type { Client, SessionSnapshot, SignedOut } from '../../src/types.js';

export function fakeClient(first: SessionSnapshot = { state: 'unknown' }) {
  const events = new EventTarget();
  let [current, listeners] = [first, 0];
  const session = Object.assign(events, { current: first, state: first.state });
  Object.defineProperty(session, 'current', { get: () => current });
  const add = events.addEventListener.bind(events);
  const remove = events.removeEventListener.bind(events);
  events.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1;
    add(...args);
  };
  events.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  };
  const ends = new Set<(why: SignedOut) => void>();
  const client = {
    session,
    onSignedOut(listener: (why: SignedOut) => void) {
      ends.add(listener);
      return () => void ends.delete(listener);
    },
  } as unknown as Client;
  return {
    client,
    listeners: () => listeners,
    ends: () => ends.size,
    becomes(next: SessionSnapshot) {
      current = next;
      events.dispatchEvent(new Event('change'));
      if (next.signedOut) for (const listener of ends) listener(next.signedOut);
    },
  };
}
