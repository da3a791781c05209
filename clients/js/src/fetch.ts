import { within } from './after.js';
import { readClaims } from './token.js';

/** What `client.fetch` needs of the client. */
export interface Bearer {
  allows(url: string | URL): boolean;
  accessToken(): Promise<string | undefined>;
  refresh(refused: string): Promise<string | undefined>;
}

/** `fetch` with the access token: on a 401 it is refreshed, and the request sent once more. */
export function bearing({ allows, accessToken, refresh }: Bearer, ask: typeof fetch): typeof fetch {
  /** An access token that was refused although it was new: yet another one would not help. */
  let useless: string | undefined;

  return async (input, init) => {
    // A body that can be read only once is read twice: a second reader stands by for the repetition.
    const once = input instanceof Request || init?.body instanceof ReadableStream ? new Request(input, init) : undefined;
    const { url, signal, headers } = once ?? { url: input as string | URL, signal: init?.signal, headers: new Headers(init?.headers) };
    const send = (request: Request | undefined, token?: string): Promise<Response> => {
      const its = request ? request.headers : headers;
      if (token) its.set('Authorization', `Bearer ${token}`);
      return request ? ask(request) : ask(input, { ...init, headers });
    };
    /** A caller may give up; what it waits for goes on for the others. */
    const orAborted = <T>(promise: Promise<T>): Promise<T> => within(promise, signal);
    // Whoever brings an authorization of their own, or goes to a stranger, is let by.
    const token = !headers.has('Authorization') && allows(url) && (await orAborted(accessToken()));
    if (!token) return send(once);

    const spare = once?.clone();
    const response = await send(once, token);
    const next = response.status === 401 && token !== useless && (await orAborted(refresh(token)));
    // What one person asked is not asked again as another.
    const fresh = next && readClaims(next)['sub'] === readClaims(token)['sub'] && next;
    // Whatever nobody will read need not be kept.
    (fresh ? response : spare)?.body?.cancel().catch(() => {});
    if (!fresh) return response;
    const repeated = await send(spare, fresh);
    if (repeated.status === 401) useless = fresh;
    return repeated;
  };
}
