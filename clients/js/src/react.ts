'use client';

/**
 * React: the session as a hook, on the server too.
 *
 * @module
 */
import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useEffect,
  useRef,
  useSyncExternalStore,
} from 'react';
import { noClient } from './no-client.js';
import type { Client, SessionSnapshot, SignedOut } from './types.js';

/** What of a client shows the session; also what `sprag-client/service-worker` connects a page to. */
export type SessionSource = Pick<Client, 'session' | 'onSignedOut'>;

interface Provided {
  client: SessionSource;
  initial: SessionSnapshot | undefined;
}

const AROUND = 'put <SessionProvider client={…}> around';

const Context = createContext<Provided | undefined>(undefined);

/** Nobody knows yet: what is shown on the server, and until the first answer. */
const UNKNOWN: SessionSnapshot = Object.freeze({ state: 'unknown' });

export interface SessionProviderProps {
  client: SessionSource;
  /**
   * What the server knew while it rendered. The page shows it until the client knows for itself, so that nothing flickers
   * and the first render is the server's.
   */
  initial?: SessionSnapshot | undefined;
  children?: ReactNode;
}

/** Makes the client known to everything inside. */
export function SessionProvider({ client, initial, children }: SessionProviderProps) {
  // The first one that was given: what the server knew does not change while the page lives.
  const provided = useRef<Provided>(undefined);
  if (provided.current?.client !== client) provided.current = { client, initial };
  return createElement(Context.Provider, { value: provided.current }, children);
}

/** The client of the provider. */
export function useClient<Kind extends SessionSource = Client>(): Kind {
  const provided = useContext(Context);
  if (!provided) throw noClient(AROUND);
  return provided.client as Kind;
}

/** The session: `state`, `id`, `claims`, and `signedOut` once it was ended. Renders anew when one of them changes, in whichever tab. */
export function useSession(client?: SessionSource): SessionSnapshot {
  const provided = useContext(Context);
  const used = client ?? provided?.client;
  if (!used) throw noClient(AROUND);
  const initial = used === provided?.client ? provided.initial : undefined;
  const now = () => {
    const { current } = used.session;
    return current.state === 'unknown' && initial ? initial : current;
  };
  return useSyncExternalStore(subscribeTo(used), now, () => initial ?? UNKNOWN);
}

/** Calls back each time a session that was there has ended, in whichever tab: the place to lead to the log-in page. */
export function useSignedOut(listener: (why: SignedOut) => void, client?: SessionSource): void {
  const provided = useContext(Context);
  const used = client ?? provided?.client;
  if (!used) throw noClient(AROUND);
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => used.onSignedOut((why) => latest.current(why)), [used]);
}

const subscriptions = new WeakMap<SessionSource, (listener: () => void) => () => void>();

/** One function for one client, so that React does not subscribe anew at every render. */
function subscribeTo(client: SessionSource) {
  let subscribe = subscriptions.get(client);
  if (!subscribe) {
    subscribe = (listener) => {
      client.session.addEventListener('change', listener);
      return () => client.session.removeEventListener('change', listener);
    };
    subscriptions.set(client, subscribe);
  }
  return subscribe;
}
