import { createClient } from '../client.js';
import { SpragError } from '../error.js';
import { sprag } from '../profiles.js';
import { withoutTokens } from '../strip.js';
import type { Answer, Client, ClientOptions } from '../types.js';
import { member } from '../wire.js';
import { type Asked, CALLS, type Call, type News, type Told } from './messages.js';
import { authRoutes } from './routes.js';
import { kvStorage } from './storage.js';

/** What of the worker's global scope is used; TypeScript has it in another library than the page's. */
interface WorkerScope {
  location: { origin: string };
  clients: {
    claim(): Promise<void>;
    matchAll(options: object): Promise<{ url: string; postMessage(news: News): void }[]>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: string, listener: (event: WorkerEvent) => void): void;
}
interface WorkerEvent {
  request: Request;
  data: unknown;
  ports: readonly MessagePort[];
  waitUntil(promise: Promise<unknown>): void;
  respondWith(response: Promise<Response> | Response): void;
}

/** How long a page's first question waits for the server to say whether there is a session, in milliseconds. */
const FIRST_LOOK = 3_000;

/**
 * Makes this service worker the holder of the session: call it first thing in its script. Use cookie mode: then the refresh
 * token is in a cookie that no script can read, and the access token in this worker's memory alone.
 */
export function serve(options: ClientOptions): Client {
  const scope = globalThis as unknown as WorkerScope;
  const { profile = sprag } = options;
  const client = createClient({ storage: kvStorage(options.name), ahead: false, ...options });
  const routes = authRoutes(profile, new URL(options.url || '/', scope.location.origin));

  scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
  scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
  scope.addEventListener('fetch', (event) => {
    const { request } = event;
    // Documents, scripts, fonts and images are the browser's own requests: they must not hang on the session server.
    const isAsset = request.mode === 'navigate' || request.destination !== '';
    if (isAsset && request.method === 'GET') return;
    // Whatever the request says of itself, its mode and headers too: what asks for tokens gets none.
    const kind = routes.kindOf(request.url);
    if (kind === 'tokens') return event.respondWith(notHere());
    if (kind === 'auth') return event.respondWith(keeping(request).catch(() => Response.error()));
    // What goes to strangers, or brings its own authorization, is none of ours.
    if (isAsset || request.mode === 'no-cors') return;
    if (!client.allows(request.url) || request.headers.has('authorization')) return;
    event.respondWith(client.fetch(request).catch(() => Response.error()));
  });
  scope.addEventListener('message', (event) => {
    const [port] = event.ports;
    const asked = event.data as Asked | undefined;
    if (!port || typeof asked?.sprag !== 'string') return;
    event.waitUntil(answer(asked).then((told) => port.postMessage(told)));
  });
  client.session.addEventListener('change', () => {
    // As it is now: between two people there is a moment when nobody is logged in, and pages must hear of it.
    const spragSession = client.session.current;
    void scope.clients.matchAll({ type: 'window' }).then((pages) => {
      for (const page of pages) page.postMessage({ spragSession });
    });
  });

  /** Sends it; the tokens of an answer (a second factor's, a passkey's) stay here, and the page gets the rest. */
  const keeping = async (request: Request): Promise<Response> => {
    const given = await client.fetch(request);
    if (!/\bjson\b/i.test(given.headers.get('content-type') ?? '')) return given;
    const body: unknown = await given.clone().json().catch(() => undefined);
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return given;
    const shown = withoutTokens(profile, body as Answer);
    if (JSON.stringify(shown) === JSON.stringify(body)) return given;
    // An answer that cannot be taken is still none that a page may read whole.
    if (given.ok && isJwt(member(body, profile.answer.access))) await client.adopt(body as Answer).catch(() => undefined);
    const headers = new Headers(given.headers);
    for (const name of ['content-length', 'content-encoding']) headers.delete(name);
    return new Response(JSON.stringify(shown), { status: given.status, statusText: given.statusText, headers });
  };

  /** On a browser's first visit nobody has asked the server yet, and somebody may be logged in by a cookie alone. */
  const firstLook = async (): Promise<void> => {
    const asks = (): unknown => client.session.state === 'unknown' && client.accessToken();
    const late = new Promise<void>((resolve) => setTimeout(resolve, FIRST_LOOK));
    await Promise.race([client.ready.then(asks).catch(() => undefined), late]);
  };

  const answer = async (asked: Asked): Promise<Told> => {
    try {
      if (asked.sprag === 'hello') {
        await scope.clients.claim();
        await firstLook();
        return { value: undefined, session: client.session.current };
      }
      await client.ready;
      if (!CALLS.includes(asked.sprag)) throw new SpragError('not_offered', 'the worker does no such thing for a page');
      const value = await call(client, asked.sprag, asked.args);
      const shown = value === undefined ? value : withoutTokens(profile, value);
      return { value: shown, session: client.session.current };
    } catch (error) {
      const { code = 'refused', message, status = 0, retryAfter, body } = error as SpragError;
      return { error: { code, message, status, retryAfter, body } };
    }
  };
  return client;
}

/** Another thing may go by the name that the access token has. */
const isJwt = (value: unknown): boolean => typeof value === 'string' && value.split('.').length === 3;

function call(client: Client, name: Call, args: readonly unknown[]): Promise<Answer | undefined> {
  const act = client[name] as (...args: readonly unknown[]) => Promise<Answer | undefined>;
  return act(...args);
}

/** A page that asks for tokens by itself gets none. */
function notHere(): Response {
  const detail = 'this page has its tokens kept by its service worker; use what connect() gives';
  const body = JSON.stringify({ type: 'about:blank', title: 'Forbidden', status: 403, code: 'kept_by_worker', detail });
  return new Response(body, { status: 403, headers: { 'content-type': 'application/problem+json' } });
}
