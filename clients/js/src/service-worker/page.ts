import { SpragError } from '../error.js';
import type { Client, Session, SessionSnapshot, SignedOut } from '../types.js';
import type { Asked, Call, News, Told } from './messages.js';

/** What a page has of a session that its service worker keeps: everything but tokens. */
export type PageClient = Pick<Client, Call | 'session' | 'ready' | 'onSignedOut' | 'close'>;

/** How long a worker may take to take a page over, in milliseconds. */
const PATIENCE = 2_000;
/** How long `ready` waits for a worker that is still being installed, or may never be. */
const READY = 10_000;
/** How long a call waits for its answer: longer than the worker tries by itself. */
const CALL = 45_000;

/**
 * Connects the page to its service worker. From `ready` on, plain `fetch` carries the access token where the worker allows it.
 *
 * `ready` settles in any case. Where no worker could be had the session stays `unknown`, and calls reject: `not_offered` where
 * the browser has no service workers here, `unreachable` where none answers.
 */
export function connect(container: ServiceWorkerContainer | undefined = globalThis.navigator?.serviceWorker): PageClient {
  const stop = new AbortController();
  const session: Session = new PageSession();
  let who: unknown;
  const become = (next: SessionSnapshot): void => {
    const sub = next.claims?.['sub'];
    // A page that was asleep has missed that somebody left: what it shows is not for whoever came.
    if (sub !== undefined && who !== undefined && sub !== who && session.current.state === 'signed-in')
      put({ state: 'signed-out', signedOut: { cause: 'replaced', detail: 'Another person logged in' } });
    who = sub ?? who;
    put(next);
  };
  const put = (next: SessionSnapshot): void => {
    const before = session.current;
    if (JSON.stringify(before) === JSON.stringify(next)) return;
    (session as PageSession).current = next;
    session.dispatchEvent(new Event('change'));
    if (before.state === 'signed-in' && next.state === 'signed-out') session.dispatchEvent(new Event('signedout'));
  };

  const ask = async (asked: Asked, patience: number): Promise<unknown> => {
    if (!container) throw new SpragError('not_offered', NO_WORKERS);
    const { port1, port2 } = new MessageChannel();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const why = 'the service worker does not answer; see that it is registered, and that its script loads';
      timer = setTimeout(() => reject(new SpragError('unreachable', why)), patience);
    });
    const answered = async (): Promise<Told> => {
      const { active } = await container.ready;
      return new Promise((resolve) => {
        port1.onmessage = ({ data }) => resolve(data);
        active?.postMessage(asked, [port2]);
      });
    };
    // A worker may be ended or replaced between question and answer.
    const told = await Promise.race([answered(), late]).finally(() => {
      clearTimeout(timer);
      port1.close();
    });
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
      ask({ sprag: name, args }, CALL) as Promise<never>;

  const hello = async (): Promise<void> => {
    const controlled = !container || container.controller ? undefined : controlledBy(container);
    await ask({ sprag: 'hello' }, READY).catch(() => undefined);
    await controlled;
  };
  const { signal } = stop;
  const hear = ({ data }: MessageEvent<News | undefined>): void => data?.spragSession && become(data.spragSession);
  container?.addEventListener('message', hear, { signal });
  container?.startMessages();
  // A page that was asleep, or comes back from the back/forward cache, has missed the news.
  const lookAgain = (): void => void (document.visibilityState === 'visible' && hello());
  // Where a server renders this page there is nothing to look at, and nobody to tell.
  globalThis.document?.addEventListener('visibilitychange', lookAgain, { signal });
  globalThis.addEventListener?.('pageshow', ({ persisted }) => persisted && lookAgain(), { signal });

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

const NO_WORKERS =
  'this browser has no service workers here; they take https or localhost, and some private windows have none';

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
