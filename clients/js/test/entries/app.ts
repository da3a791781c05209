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
  app.get('/page', async (request, response) => {
    const ask = () => of(request).accessToken();
    const tokens = await Promise.all(Array.from({ length: 20 }, ask));
    response.json({ tokens: new Set(tokens).size, has: tokens[0] !== undefined });
  });
  app.get('/held', async (request, response) => {
    await of(request).accessToken();
    held.times += 1;
    response.once('close', () => response.end());
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
