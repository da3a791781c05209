import { createClient } from '../client.js';
import { SpragError } from '../error.js';
import { sprag } from '../profiles.js';
import { withoutTokens } from '../strip.js';
import type { Answer, Client, ClientOptions } from '../types.js';
import { type Asked, CALLS, type Call, type News, type Told } from './messages.js';
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

/**
 * Makes this service worker the holder of the session: call it first thing in its script. Use cookie mode: then the refresh
 * token is in a cookie that no script can read, and the access token in this worker's memory alone.
 */
export function serve(options: ClientOptions): Client {
  const scope = globalThis as unknown as WorkerScope;
  const { profile = sprag } = options;
  const client = createClient({ storage: kvStorage(options.name), ahead: false, ...options });
  const base = new URL(options.url || '/', scope.location.origin);
  const { login, refresh, register, password, stepUp } = profile.routes;
  const givesTokens = new Set(
    [login, refresh, register, password, stepUp].map((path) => path && new URL(path, base).href),
  );

  scope.addEventListener('install', (event) => event.waitUntil(scope.skipWaiting()));
  scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
  scope.addEventListener('fetch', (event) => {
    const { request } = event;
    // Documents are not fetched by scripts; what goes to strangers, or brings its own authorization, is none of ours.
    if (request.mode === 'navigate' || request.mode === 'no-cors') return;
    if (!client.allows(request.url) || request.headers.has('authorization')) return;
    if (givesTokens.has(request.url.split(/[?#]/)[0])) return event.respondWith(notHere());
    event.respondWith(client.fetch(request).catch(() => Response.error()));
  });
  scope.addEventListener('message', (event) => {
    const [port] = event.ports;
    const asked = event.data as Asked | undefined;
    if (!port || typeof asked?.sprag !== 'string') return;
    event.waitUntil(answer(asked).then((told) => port.postMessage(told)));
  });
  client.session.addEventListener('change', () => {
    void scope.clients.matchAll({ type: 'window' }).then((pages) => {
      for (const page of pages) page.postMessage({ spragSession: client.session.current });
    });
  });

  const answer = async (asked: Asked): Promise<Told> => {
    try {
      await client.ready;
      if (asked.sprag === 'hello') {
        await scope.clients.claim();
        return { value: undefined, session: client.session.current };
      }
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
