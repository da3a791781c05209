// An API of an app's: it refuses the access tokens that it is told to, as if their time were over.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Api {
  url: string;
  /** What came: the token, and what the body was. */
  seen: { token: string | undefined; path: string; body: string }[];
  /** Every token that was seen up to now is refused from now on. */
  expireSeen(): void;
  /** Refuses whatever comes. */
  refuseAll: boolean;
  close(): void;
}

export async function startApi(): Promise<Api> {
  const expired = new Set<string | undefined>();
  const api: Api = {
    url: '',
    seen: [],
    refuseAll: false,
    expireSeen: () => api.seen.forEach(({ token }) => expired.add(token)),
    close: () => void server.closeAllConnections(),
  };
  const server = createServer(async (request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '');
    api.seen.push({ token, path: request.url ?? '', body: await bodyOf(request) });
    const isRefused = api.refuseAll || token === undefined || expired.has(token);
    response.writeHead(isRefused ? 401 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isRefused ? { code: 'token_expired' } : { path: request.url }));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  api.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return api;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const part of request) body += part;
  return body;
}
