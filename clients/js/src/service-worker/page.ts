import { SpragError } from '../error.js';
import type { Client, Session, SessionSnapshot, SignedOut } from '../types.js';
import type { Asked, Call, News, Told } from './messages.js';

/** What a page has of a session that its service worker keeps: everything but tokens. */
export type PageClient = Pick<Client, Call | 'session' | 'ready' | 'onSignedOut' | 'close'>;

/** How long a worker may take to take a page over, in milliseconds. */
const PATIENCE = 2_000;

/**
 * Connects the page to its service worker. From `ready` on, plain `fetch` carries the access token where the worker allows it.
 */
export function connect(container: ServiceWorkerContainer = navigator.serviceWorker): PageClient {
  const stop = new AbortController();
  const session: Session = new PageSession();
  const become = (next: SessionSnapshot): void => {
    const before = session.current;
    if (JSON.stringify(before) === JSON.stringify(next)) return;
    (session as PageSession).current = next;
    session.dispatchEvent(new Event('change'));
    if (before.state === 'signed-in' && next.state === 'signed-out') session.dispatchEvent(new Event('signedout'));
  };

  const ask = async (asked: Asked): Promise<unknown> => {
    const { active } = await container.ready;
    const { port1, port2 } = new MessageChannel();
    const told = await new Promise<Told>((resolve) => {
      port1.onmessage = ({ data }) => resolve(data);
      active?.postMessage(asked, [port2]);
    });
    port1.close();
    if ('error' in told) {
      const { code, message, status, body, retryAfter } = told.error;
      throw new SpragError(code, message, status, body, retryAfter);
    }
    become(told.session);
    return told.value;
  };
  const forward =
    (name: Call) =>
    (...args: readonly unknown[]): Promise<never> =>
      ask({ sprag: name, args }) as Promise<never>;

  const hello = async (): Promise<void> => {
    const controlled = container.controller ? undefined : controlledBy(container);
    await ask({ sprag: 'hello' }).catch(() => undefined);
    await controlled;
  };
  const { signal } = stop;
  container.addEventListener('message', ({ data }) => (data as News)?.spragSession && become(data.spragSession), {
    signal,
  });
  container.startMessages();
  // A page that was asleep, or comes back from the back/forward cache, has missed the news.
  const lookAgain = (): void => void (document.visibilityState === 'visible' && hello());
  document.addEventListener('visibilitychange', lookAgain, { signal });
  globalThis.addEventListener('pageshow', ({ persisted }) => persisted && lookAgain(), { signal });

  return {
    session,
    ready: hello(),
    login: forward('login'),
    register: forward('register'),
    logout: forward('logout'),
    logoutEverywhere: forward('logoutEverywhere'),
    changePassword: forward('changePassword'),
    stepUp: forward('stepUp'),
    onSignedOut(listener: (why: SignedOut) => void) {
      const tell = (): void => listener(session.current.signedOut ?? { cause: 'unknown', detail: '' });
      session.addEventListener('signedout', tell);
      return () => session.removeEventListener('signedout', tell);
    },
    close: () => stop.abort(),
  };
}

class PageSession extends EventTarget implements Session {
  current: SessionSnapshot = { state: 'unknown' };

  get state(): SessionSnapshot['state'] {
    return this.current.state;
  }
}

/** Until the worker has taken the page over, so that its requests go by it; a worker that cannot is not waited for. */
function controlledBy(container: ServiceWorkerContainer): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PATIENCE);
    const isOurs = (): void => {
      clearTimeout(timer);
      resolve();
    };
    container.addEventListener('controllerchange', isOurs, { once: true });
  });
}
