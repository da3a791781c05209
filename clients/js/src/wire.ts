import { SpragError } from './error.js';
import type { Answer, ClientOptions, Profile } from './types.js';

/** How long one request may take, its body included. */
const DEADLINE = 8_000;

/** What the server said. */
export interface Reply {
  readonly status: number;
  /** The body, where it is a JSON object. */
  readonly body: Answer | undefined;
  readonly retryAfter: number | undefined;
}

export interface Sent {
  readonly body?: Readonly<Record<string, unknown>> | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly keepalive?: boolean;
}

export type Send = (path: string, sent: Sent) => Promise<Reply>;

const unreachable = (why: string): SpragError =>
  new SpragError('unreachable', `the session server could not be reached: ${why}; the session goes on, try again`);

/** The platform's `fetch`, looked up at each call: what replaces it later (a mock, an instrument) counts. */
export const platformFetch: typeof fetch = (input, init) => globalThis.fetch(input, init);

/** Sends to the session server; rejects as `unreachable` where no answer came whole and in time. */
export function sender(options: ClientOptions): Send {
  const { url, mode, fetch: ask = platformFetch } = options;
  const credentials = options.credentials ?? (mode === 'cookie' ? 'include' : 'omit');
  const base = url.replace(/\/+$/, '');
  return async (path, { body, headers, keepalive }) => {
    const controller = new AbortController();
    const init: RequestInit = {
      method: 'POST',
      headers: { ...options.headers, ...headers, ...(body && { 'Content-Type': 'application/json' }) },
      credentials,
      cache: 'no-store',
      // Nobody but the server is shown a token: a portal that leads elsewhere is no answer.
      redirect: 'error',
      signal: controller.signal,
      ...(body && { body: JSON.stringify(body) }),
      ...(keepalive && { keepalive }),
    };
    const answer = async (): Promise<Reply> => {
      const response = await ask(base + path, init);
      const text = await response.text();
      const wait = Number(response.headers.get('Retry-After') || NaN);
      return { status: response.status, body: parse(text), retryAfter: wait >= 0 ? wait : undefined };
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(unreachable(`no answer in ${DEADLINE / 1000} s`));
        controller.abort();
      }, DEADLINE);
    });
    try {
      return await Promise.race([answer(), late]);
    } catch (error) {
      throw error instanceof SpragError ? error : unreachable(String((error as Error)?.message ?? error));
    } finally {
      clearTimeout(timer);
    }
  };
}

const parse = (text: string): Answer | undefined => {
  try {
    const body: unknown = JSON.parse(text);
    return body && typeof body === 'object' ? (body as Answer) : undefined;
  } catch {
    return undefined;
  }
};

/** A member of an answer, by its name or a path with dots. */
export const member = (body: unknown, path: string | undefined): unknown =>
  path?.split('.').reduce<unknown>((at, name) => (at as Answer | undefined)?.[name], body);

export const text = (body: unknown, path: string | undefined): string | undefined => {
  const value = member(body, path);
  return typeof value === 'string' && value ? value : undefined;
};

/** Whether an answer gave tokens. */
export const isGiven = ({ status, body }: Reply, { answer }: Profile): boolean =>
  status >= 200 && status < 300 && !!text(body, answer.access);

/** Whether it is a 401 that says one of these things. */
export const says = ({ status, body }: Reply, { refusal }: Profile, what: readonly string[]): boolean => {
  const said = text(body, refusal.code) ?? text(body, refusal.message);
  return status === 401 && !!said && what.some((start) => said.startsWith(start));
};

/** Whether to ask again: no answer, or a server that cannot just now. */
export const isFault = ({ status }: { readonly status: number }): boolean =>
  status < 200 || status >= 500 || status === 408 || status === 429;

/** What a caller is told of an answer that gave no tokens. */
export const refusalOf = ({ status, body, retryAfter }: Reply, { refusal }: Profile): SpragError => {
  const sentence = text(body, refusal.message);
  if (!sentence && (status < 400 || status > 499)) return unreachable(`what came was no answer of its own (status ${status})`);
  const code = text(body, refusal.code) ?? (status > 499 || status === 429 || status === 408 ? 'unavailable' : 'refused');
  return new SpragError(code, sentence ?? `the session server answered ${status}`, status, body, retryAfter);
};
