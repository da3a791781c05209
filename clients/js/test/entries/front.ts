// One origin for Sprag and an API, as a proxy makes it; and a browser's globals for code that was written for one.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { vi } from 'vitest';
import { Browser } from './browser.js';
import { memoryStorage } from './client.js';
import type { Sprag } from './sprag.js';

export interface Front {
  url: string;
  /** Answers of refreshes, as they were given. */
  refreshes: number[];
  /** Tokens that the API saw. */
  seen: Set<string>;
  /** Every token seen up to now is refused from now on. */
  expireSeen(): void;
  close(): void;
}

/** Sends what is for Sprag to it; whatever else is an API's, which answers with its path. */
export async function startFront(
  sprag: Sprag,
  isAuth: (path: string) => boolean,
  files = new Map<string, string>(),
): Promise<Front> {
  const expired = new Set<string>();
  const front: Front = {
    url: '',
    refreshes: [],
    seen: new Set(),
    expireSeen: () => front.seen.forEach((token) => expired.add(token)),
    close: () => void server.closeAllConnections(),
  };
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    const file = files.get(path);
    if (file !== undefined) {
      response.writeHead(200, { 'content-type': path.endsWith('.js') ? 'text/javascript' : 'text/html' });
      return void response.end(file);
    }
    if (isAuth(path)) {
      const answer = await passOn(sprag, request);
      if (path.includes('refresh')) front.refreshes.push(answer.status);
      const headers: Record<string, string | string[]> = {
        'content-type': answer.headers.get('content-type') ?? 'text/plain',
      };
      if (answer.headers.getSetCookie().length > 0) headers['set-cookie'] = answer.headers.getSetCookie();
      response.writeHead(answer.status, headers);
      return void response.end(Buffer.from(await answer.arrayBuffer()));
    }
    const token = request.headers.authorization?.replace('Bearer ', '');
    if (token) front.seen.add(token);
    const isRefused = !token || expired.has(token);
    response.writeHead(isRefused ? 401 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isRefused ? { code: 'token_expired' } : { path }));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  front.url = `http://localhost:${(server.address() as AddressInfo).port}`;
  return front;
}

async function passOn(sprag: Sprag, request: IncomingMessage): Promise<Response> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (!['connection', 'host', 'content-length', 'transfer-encoding', 'expect'].includes(name))
      headers.set(name, [value].flat().join(', '));
  }
  const { method = 'GET' } = request;
  const body = parts.length > 0 ? { body: Buffer.concat(parts) } : {};
  return fetch(sprag.url + request.url, { method, headers, ...body });
}

/** Makes this process a browser on a page of that origin: its storage, its address, its cookies. */
export function actAsBrowser(front: Front): { storage: Map<string, string>; left: string[] } {
  const [storage, browser, left] = [memoryStorage(), new Browser(), [] as string[]];
  const page = new URL(`${front.url}/`);
  const real = globalThis.fetch;
  // The pages of other tests in this process are no tabs of this browser.
  vi.stubGlobal('BroadcastChannel', undefined);
  vi.stubGlobal('document', { body: { dataset: {} }, visibilityState: 'visible' });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('localStorage', storage);
  vi.stubGlobal('location', { href: page.href, origin: page.origin, assign: (to: string) => left.push(to) });
  vi.stubGlobal('fetch', async (input: RequestInfo | URL, init?: RequestInit) => {
    const isRequest = input instanceof Request;
    const request = isRequest ? new Request(input, init) : new Request(new URL(String(input), page), init);
    if (request.url.startsWith(page.origin)) {
      request.headers.set('sec-fetch-site', 'same-origin');
      if (browser.cookies.size > 0) request.headers.set('cookie', browser.header);
    }
    const answer = await real(request);
    browser.take(answer.headers);
    return answer;
  });
  return { storage: storage.kept, left };
}
