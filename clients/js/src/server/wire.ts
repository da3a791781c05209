import { SpragError } from '../error.js';
import type { Answer, Profile } from '../types.js';
import { retryAfter } from '../wire.js';
import { readSetCookies } from './cookies.js';

/** Who asks: what of the browser's request the server is told. */
export interface Caller {
  userAgent: string | undefined;
  /** Its device cookies, as `name=value`. */
  device: string;
  /** A name of its own that this browser keeps, by which the server knows its late retries from a thief's. */
  instance: string;
  /** Whether the browser brought that name. */
  isMarked: boolean;
  /** The retry id of the next refresh, where the browser has it in a cookie that its page's client reads too. */
  retryId?: string | undefined;
  /** Its address, where the framework knows it. */
  address: string | undefined;
}

export interface Tokens {
  access: string;
  refresh: string;
  /** Seconds. */
  accessLives: number;
  refreshLives: number;
  session: string | undefined;
}

export interface Answered {
  body: Answer;
  tokens: Tokens | undefined;
  /** Cookies of the server's that are not the session's: the device is known by one. */
  device: { name: string; value: string; maxAge: number | undefined }[];
}

/** What is asked of the server, and by which facts. */
export interface Wire {
  url: string;
  profile: Profile;
  fetch: typeof globalThis.fetch;
  /** Milliseconds. */
  timeout: number;
}

/** Where no answer says how long a refresh token lives, its cookie is kept this long; the server judges by itself. */
const REFRESH_LIVES = 30 * 86_400;
const ACCESS_LIVES = 900;

/** By this cookie log-ins know the device again. */
export const isDeviceCookie = (name: string): boolean => /^(__Host-)?sprag_known$/.test(name);

/** One call; rejects with a `SpragError` unless the answer is a "yes". */
export async function call(
  wire: Wire,
  path: string | undefined,
  fields: Readonly<Record<string, unknown>>,
  caller: Caller,
  more: Record<string, string> = {},
): Promise<Answered> {
  if (path === undefined) throw new SpragError('not_offered', 'the profile has no such call; ask for one that it has');
  const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json', ...more });
  if (caller.userAgent) headers.set('user-agent', caller.userAgent);
  if (caller.address) headers.set('x-forwarded-for', caller.address);
  headers.set('sprag-instance', caller.instance);
  headers.set('cookie', caller.device);
  // A page of ours asks; what another site's page asked for was refused before.
  headers.set('sec-fetch-site', 'same-origin');
  const init = { method: 'POST', headers, body: JSON.stringify(fields), redirect: 'manual' as const };
  let [answer, text] = [undefined as Response | undefined, ''];
  try {
    // Never tied to the browser's request: a refresh that is under way must be read to its end.
    answer = await wire.fetch(wire.url + path, { ...init, signal: AbortSignal.timeout(wire.timeout) });
    text = await answer.text();
  } catch (error) {
    throw unreachable(`${wire.url} does not answer; see that the server runs and can be reached from here`, error);
  }
  const body = parse(text);
  if (!answer.ok) throw refusal(wire, answer, body);
  if (text !== '' && body === undefined)
    throw unreachable(`${wire.url} answers without JSON; see that url is the server's`);
  const device = readSetCookies(answer.headers).filter(({ name }) => isDeviceCookie(name));
  return { body: body ?? {}, tokens: readTokens(wire.profile, body ?? {}), device };
}

function unreachable(message: string, cause?: unknown): SpragError {
  return Object.assign(new SpragError('unreachable', message), cause === undefined ? {} : { cause });
}

function refusal({ profile, url }: Wire, answer: Response, body: Answer | undefined): SpragError {
  const { code, message } = profile.refusal;
  const said = body && dig(body, message);
  if (body === undefined || (answer.status >= 300 && answer.status < 400)) {
    return unreachable(`${url} answers ${answer.status} without JSON; see that url is the server's`);
  }
  const named = code === undefined ? undefined : dig(body, code);
  const sentence = typeof said === 'string' ? said : `the server answered ${answer.status}`;
  const name = typeof named === 'string' ? named : 'refused';
  return new SpragError(name, sentence, answer.status, body, retryAfter(answer.headers));
}

/** Whether this refusal means that the session is over. Everything else says nothing about it. */
export function isEnd(profile: Profile, error: unknown): boolean {
  if (!(error instanceof SpragError) || error.status !== 401) return false;
  const { ended, unknown } = profile.refusal;
  return [...ended, ...unknown].some((word) => error.code === word || error.message.startsWith(word));
}

function readTokens({ answer }: Profile, body: Answer): Tokens | undefined {
  const access = dig(body, answer.access);
  const refresh = dig(body, answer.refresh);
  if (typeof access !== 'string' || typeof refresh !== 'string') return undefined;
  const lives = answer.expiresIn === undefined ? undefined : dig(body, answer.expiresIn);
  const session = answer.session === undefined ? undefined : dig(body, answer.session);
  const refreshLives = dig(body, 'refresh_expires_in');
  return {
    access,
    refresh,
    accessLives: isLife(lives) ? lives : lifeOf(access),
    refreshLives: isLife(refreshLives) ? refreshLives : REFRESH_LIVES,
    session: typeof session === 'string' ? session : undefined,
  };
}

/** How long a JWT was made to live, by its own two times: no clock of this machine is asked. */
function lifeOf(jwt: string): number {
  const { exp, iat } = claimsOf(jwt) ?? {};
  const life = typeof exp === 'number' && typeof iat === 'number' ? exp - iat : undefined;
  return isLife(life) ? life : ACCESS_LIVES;
}

/** Whether it can be how long something lives: a cookie that lives no time would be removed. */
const isLife = (seconds: unknown): seconds is number => typeof seconds === 'number' && seconds > 0;

/** What a JWT says, unverified. */
export function claimsOf(jwt: string): Record<string, unknown> | undefined {
  const base64 = (jwt.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
  try {
    return parse(new TextDecoder().decode(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))));
  } catch {
    return undefined;
  }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A member by its path: `data.token`. */
function dig(body: Answer, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], body);
}

/** The fields of a body that shows the refresh token, where the profile has it. */
export function withToken({ answer }: Profile, refresh: string | undefined): Record<string, unknown> {
  return refresh === undefined ? {} : { [answer.refresh.split('.').at(-1) as string]: refresh };
}
