/** What `client.fetch` needs of the client. */
export interface Bearer {
  allows(url: string | URL): boolean;
  accessToken(): Promise<string | undefined>;
  refresh(refused: string): Promise<string | undefined>;
}

/** Rejects when a caller gives up; what it waits for goes on for the others. */
const orAborted = <T>(promise: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> =>
  signal
    ? new Promise((resolve, reject) => {
        const abort = (): void => reject(signal.reason);
        if (signal.aborted) abort();
        signal.addEventListener('abort', abort, { once: true });
        promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
      })
    : promise;

/** `fetch` with the access token: on a 401 it is refreshed, and the request sent once more. */
export function bearing(bearer: Bearer, ask: typeof fetch): typeof fetch {
  /** An access token that was refused although it was new: yet another one would not help. */
  let useless: string | undefined;

  return async (input, init) => {
    const isRequest = typeof input === 'object' && 'headers' in input;
    const headers = new Headers(init?.headers ?? (isRequest ? input.headers : undefined));
    // Whoever brings an authorization of their own, or goes to a stranger, is let by.
    if (headers.has('Authorization') || !bearer.allows(isRequest ? input.url : input)) return ask(input, init);
    const signal = init?.signal ?? (isRequest ? input.signal : undefined);
    const token = await orAborted(bearer.accessToken(), signal);
    if (!token) return ask(input, init);

    const isSpent = isRequest || init?.body instanceof ReadableStream;
    // A body that can be read only once is read twice: the second reader stands by for the repetition.
    const first = isSpent ? new Request(input, init) : undefined;
    const spare = first?.clone();
    const sendWith = (fresh: string, request: Request | undefined): Promise<Response> => {
      (request?.headers ?? headers).set('Authorization', `Bearer ${fresh}`);
      return request ? ask(request) : ask(input, { ...init, headers });
    };
    const drop = (stream: ReadableStream | null | undefined): void => {
      if (stream && !stream.locked) stream.cancel().catch(() => {});
    };
    const response = await sendWith(token, first).catch((error: unknown) => {
      drop(spare?.body);
      throw error;
    });
    const fresh =
      response.status === 401 && token !== useless ? await orAborted(bearer.refresh(token), signal) : undefined;
    if (!fresh) {
      drop(spare?.body);
      return response;
    }
    drop(response.body);
    const repeated = await sendWith(fresh, spare);
    if (repeated.status === 401) useless = fresh;
    return repeated;
  };
}
