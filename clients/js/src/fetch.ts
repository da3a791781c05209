/** What `client.fetch` needs of the client. */
export interface Bearer {
  allows(url: string | URL): boolean;
  accessToken(): Promise<string | undefined>;
  refresh(refused: string): Promise<string | undefined>;
}

/** Tells a body that nobody will read it, so that it is not kept. */
const drop = (unread: Request | Response | undefined): void => void unread?.body?.cancel().catch(() => {});

/** `fetch` with the access token: on a 401 it is refreshed, and the request sent once more. */
export function bearing({ allows, accessToken, refresh }: Bearer, ask: typeof fetch): typeof fetch {
  /** An access token that was refused although it was new: yet another one would not help. */
  let useless: string | undefined;

  return async (input, init) => {
    const request = input instanceof Request ? input : undefined;
    const headers = new Headers(init?.headers ?? request?.headers);
    const signal = init?.signal ?? request?.signal;
    /** A caller may give up; what it waits for goes on for the others. */
    const orAborted = <T>(promise: Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        const abort = (): void => reject(signal?.reason);
        if (signal?.aborted) abort();
        signal?.addEventListener('abort', abort);
        promise.then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort));
      });
    // Whoever brings an authorization of their own, or goes to a stranger, is let by.
    const isOurs = !headers.has('Authorization') && allows(request?.url ?? (input as string | URL));
    const token = isOurs && (await orAborted(accessToken()));
    if (!token) return ask(input, init);

    // A body that can be read only once is read twice: the second reader stands by for the repetition.
    const first = request || init?.body instanceof ReadableStream ? new Request(input, init) : undefined;
    const spare = first?.clone();
    const sendWith = (fresh: string, whole: Request | undefined): Promise<Response> => {
      (whole?.headers ?? headers).set('Authorization', `Bearer ${fresh}`);
      return whole ? ask(whole) : ask(input, { ...init, headers });
    };
    let fresh: string | undefined;
    try {
      const response = await sendWith(token, first);
      if (response.status === 401 && token !== useless) fresh = await orAborted(refresh(token));
      if (!fresh) return response;
      drop(response);
    } finally {
      if (!fresh) drop(spare);
    }
    const repeated = await sendWith(fresh, spare);
    if (repeated.status === 401) useless = fresh;
    return repeated;
  };
}
