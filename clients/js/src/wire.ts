import { attempt, parsed, within } from './after.js';
import { SpragError } from './error.js';
import type { Answer, ClientOptions, RefusalFacts } from './types.js';

/** How long one request may take, its body included, in milliseconds. */
const DEADLINE = 8_000;

/** Gives the body of an answer in the 200s, `{}` where there is none; rejects with everything else, also what is no JSON. */
export type Send = (
  path: string | undefined,
  body: Answer | undefined | false,
  /** The client's instance, the retry id, and the access token. */
  instance: string,
  retry?: string | undefined,
  token?: string | undefined | false,
  /** Ends it before its time. */
  stopped?: AbortSignal,
  keepalive?: boolean,
) => Promise<Answer>;

/** The page's or worker's own origin; where a frame's address is none, `origin` is that of the page that made it. */
export const here = (): string | undefined => globalThis.origin ?? globalThis.location?.origin;

export const unreachable = (why: unknown): SpragError =>
  new SpragError('unreachable', `No answer from the session server: ${why}`);

/** Undefined where there is none: an address that is none, or one whose origin would be anybody's. */
export const originOf = (url: string | URL, base: string | undefined): string | undefined => {
  const origin = attempt(() => new URL(url, base).origin);
  return origin === 'null' ? undefined : origin;
};

/** Sends to the session server; rejects as `unreachable` where no answer came whole and in time. */
export const sender =
  ({ url, mode, headers: always, credentials }: ClientOptions, refusal: RefusalFacts, ask: typeof fetch): Send =>
  async (path, body, instance, retry, token, stopped, keepalive = false) => {
    if (!path) throw new SpragError('not_offered', 'The profile has no such call');
    // Not even begun: an abort that comes a moment after it may be too late for its cookie.
    if (stopped?.aborted) throw unreachable('stopped');
    const controller = new AbortController();
    const answer = async (): Promise<readonly [Response, string]> => {
      // By the page's origin, not by what its `<base>` says. A server that only renders has none, and asks nothing.
      const response = await ask(new URL(url.replace(/\/+$/, '') + path, here()).href, {
        method: 'POST',
        headers: {
          ...always,
          'Sprag-Instance': instance,
          ...(retry && { 'Idempotency-Key': retry }),
          ...(token && { Authorization: `Bearer ${token}` }),
          ...(body && { 'Content-Type': 'application/json' }),
        },
        body: body ? JSON.stringify(body) : null,
        credentials: credentials ?? (mode === 'cookie' ? 'include' : 'omit'),
        cache: 'no-store',
        // Nobody but the server is shown a token: a portal that leads elsewhere is no answer.
        redirect: 'error',
        signal: controller.signal,
        keepalive,
      });
      return [response, await response.text()];
    };
    const [response, text] = await within(answer(), stopped, DEADLINE).catch((error: unknown) => {
      // What nobody waits for any more must not set a cookie later.
      controller.abort();
      throw unreachable(error);
    });
    return judged(response, text, refusal);
  };

/** The body of an answer in the 200s; throws what a caller is told of every other. */
export function judged({ ok, status, headers }: Response, sent: string, { code, message }: RefusalFacts): Answer {
  const body = sent ? parsed(sent) : {};
  // A captive portal answers everything with a page of its own.
  if (ok && body) return body;
  if (status < 400) throw unreachable(status);
  throw new SpragError(
    text(body, code) ?? (isFault({ status }) ? 'unavailable' : 'refused'),
    text(body, message) ?? `The server answered ${status}`,
    status,
    body,
    retryAfter(headers),
  );
}

/** The longest wait that is believed of a server, in seconds: a day. */
const LONGEST_WAIT = 86_400;

/** In how many seconds an answer wants to be asked again; 0 where it does not say, or nothing that can be meant. */
export function retryAfter(headers: Headers): number {
  const told = headers.get('Retry-After') as string;
  // A date is counted from the answer's own, where it may be read: this machine's clock may be wrong.
  const until = Date.parse(told) - (Date.parse(headers.get('Date') as string) || Date.now());
  return Math.min([+told, until / 1000].find((seconds) => seconds >= 0) ?? 0, LONGEST_WAIT);
}

/** A member of an answer, by its name or a path with dots. */
export const member = (body: unknown, path: string | undefined): unknown =>
  path?.split('.').reduce<unknown>((at, name) => (at as Answer | undefined)?.[name], body);

export const text = (body: unknown, path: string | undefined): string | undefined => {
  const value = member(body, path);
  return typeof value === 'string' && value ? value : undefined;
};

/** Whether to ask again: no answer, or none just now. */
export const isFault = ({ status }: { readonly status: number }): boolean =>
  !status || status > 499 || status === 408 || status === 429;

/** Whether it is a 401 that says one of these things. */
export const says = ({ status, body }: SpragError, { code, message }: RefusalFacts, what: readonly string[]): boolean =>
  status === 401 && what.some((start) => (text(body, code) ?? text(body, message))?.startsWith(start));
