// An Express app that makes its pages on a server, and a browser that is logged in there.

import type { AddressInfo } from 'node:net';
import express from 'express';
import { createServer, type Server, type ServerOptions, type ServerSession } from '../../src/server.js';
import * as profiles from '../../src/profiles.js';
import { Browser } from './browser.js';
import { patiently } from './client.js';
import { PASSWORD, type Sprag } from './sprag.js';

export const REFRESH = '__Host-sprag_refresh';
export const ACCESS = '__Host-sprag_access';
export const LOG_IN = { method: 'POST', headers: { 'content-type': 'application/json' } };

/** The ways to a session: Node's request and response, a `Request` of the web, a store of cookies. */
export const WAYS = ['node', 'request', 'store'] as const;
export type Way = (typeof WAYS)[number];

export interface App {
  url: string;
  auth: Server;
  /** The refreshes that Sprag was asked for. */
  refreshes: Headers[];
  /** How often `/held` had its token and holds its answer back until the browser is gone. */
  held: { times: number };
  close(): void;
}

/** An Express app that makes pages for people who are logged in. */
export async function startApp(sprag: Sprag, more: Partial<ServerOptions> = {}): Promise<App> {
  const refreshes: Headers[] = [];
  const held = { times: 0 };
  const path = (more.profile ?? profiles.sprag).routes.refresh;
  const counted: typeof fetch = (input, init) => {
    if (String(input).endsWith(path)) refreshes.push(new Headers(init?.headers));
    return fetch(input, init);
  };
  const auth = createServer({ url: sprag.url, fetch: counted, ...more });
  const app = express();
  app.use(express.json(), auth.express());
  const of = (request: unknown) => (request as { sprag: ServerSession }).sprag;
  app.post('/login', async (request, response) => void response.json(await of(request).login(request.body)));
  app.post('/logout', async (request, response) => {
    await of(request).logout();
    response.status(204).end();
  });
  app.get('/state', async (request, response) => void response.json(await of(request).snapshot()));
  // A page of many components, each of which asks.
  app.get(['/page', '/:way/page'], async (request, response) => {
    const { session, finish } = sessionBy(auth, request.params['way'] as Way | undefined, request, response);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => session.accessToken()));
    finish();
    response.json({ tokens: new Set(tokens).size, has: tokens[0] !== undefined });
  });
  app.get(['/held', '/:way/held'], async (request, response) => {
    const { session, finish } = sessionBy(auth, request.params['way'] as Way | undefined, request, response);
    await session.accessToken();
    held.times += 1;
    response.once('close', () => {
      finish();
      response.end();
    });
  });
  app.get('/early', async (request, response) => {
    response.write('the head of the page');
    response.end(String(await of(request).accessToken()));
  });
  app.get('/me', async (request, response) => {
    const answer = await of(request).fetch(`${sprag.url}/api/v1/auth/me`);
    response.status(answer.status).send(await answer.text());
  });
  app.use(
    (error: { status?: number; code?: string }, _request: unknown, response: express.Response, _next: unknown) => {
      response.status(error.status || 503).json({ code: error.code });
    },
  );
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    auth,
    refreshes,
    held,
    close: () => void server.closeAllConnections(),
  };
}

/** The session of a request by one of these ways, and what an app does there once its answer is made. */
function sessionBy(auth: Server, way: Way = 'node', request: express.Request, response: express.Response) {
  const headers = new Headers(request.headers as Record<string, string>);
  if (way === 'request') {
    const leaving = new AbortController();
    response.once('close', () => leaving.abort());
    const asked = new Request(`http://app.example${request.url}`, { headers, signal: leaving.signal });
    const { session, applyTo } = auth.fromRequest(asked);
    const finish = () => {
      const written = new Headers();
      applyTo(written);
      response.setHeaders(written);
    };
    return { session, finish };
  }
  const finish = () => undefined;
  if (way === 'node') return { session: auth.fromNode(request, response), finish };
  // As SvelteKit's, which throws once the answer has gone.
  const sent = new Map(headers.get('cookie')?.split('; ').map((pair) => pair.split('=') as [string, string]));
  const store = {
    get: (name: string) => sent.get(name),
    set(name: string, value: string, { maxAge }: { maxAge?: number }) {
      if (response.closed) throw new Error('cannot use cookies.set after the response has been generated');
      response.appendHeader('set-cookie', `${name}=${value}; Max-Age=${maxAge}`);
    },
  };
  return { session: auth.fromStore(store, headers), finish };
}

export async function loggedIn(app: App, username: string): Promise<Browser> {
  const browser = new Browser();
  const body = JSON.stringify({ username, password: PASSWORD });
  await patiently(async () => {
    const { status } = await browser.send(`${app.url}/login`, { ...LOG_IN, body });
    if (status !== 200) throw Object.assign(new Error(`the log-in was answered ${status}`), { status });
  });
  return browser;
}

/** As after the minutes in which the access token's cookie ends by itself. */
export const accessIsOver = (browser: Browser) => browser.cookies.delete(ACCESS);
