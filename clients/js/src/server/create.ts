import { sprag } from '../profiles.js';
import type { Profile } from '../types.js';
import { type CookieJar, parseCookies, retryIdIn, serialize } from './cookies.js';
import type { RetryMemory } from './memory.js';
import { checkedSecret } from './marks.js';
import { Refresher } from './refresher.js';
import { ServerSession, type SessionSettings } from './session.js';
import { isDeviceCookie } from './wire.js';

export interface ServerOptions {
  /** Where Sprag is, as this process reaches it: `http://127.0.0.1:8080`. */
  url: string;
  /** How it speaks; Sprag's own profile unless said otherwise. */
  profile?: Profile;
  /** Origins beside Sprag's that may see the access token in `session.fetch`: those of your APIs. */
  origins?: readonly string[];
  /** Origins whose pages may log in and out here, where proxies change the `Host` header; the request's own host otherwise. */
  pages?: readonly string[];
  /** Reads access tokens for `session.claims()`: `createVerifier({ issuer })` of `sprag-client/verify`. */
  verifier?: { verify(token: string): Promise<Record<string, unknown>> };
  /**
   * A secret of this app's, the same in all its processes and after a restart: 32 random bytes from its environment. By it an
   * answer that never reached the browser is asked for again under the same id, wherever the browser comes back; no `memory`
   * is needed then. Without it one process remembers, until it ends.
   */
  secret?: string | undefined;
  /** Where no `secret` is given: a memory shared by several processes that serve the same people. */
  memory?: RetryMemory;
  /**
   * Whether a page of this app has a client on the same refresh cookie: `createClient({ mode: 'cookie', storage: besideServer() })`;
   * or that client's `name` where it is not `sprag`. The retry id is then in a cookie that both read, so that an answer which
   * one of them lost is asked for by the other under the same id.
   */
  besidePage?: boolean | string;
  cookies?: {
    /** `__Host-sprag_refresh` and `__Host-sprag_access` unless said otherwise. */
    refresh?: string;
    access?: string;
    /** Off for an app on plain http that is not on this machine; never in production. */
    secure?: boolean;
    /** `lax` unless said otherwise, so that who follows a link from elsewhere arrives logged in. */
    sameSite?: 'strict' | 'lax';
  };
  /** Milliseconds for one call to Sprag. */
  timeout?: number;
  fetch?: typeof globalThis.fetch;
}

/** What every framework knows of an incoming request. */
export interface IncomingRequest {
  cookies: CookieJar;
  /** Of the incoming request, for the user agent and where it came from. */
  headers: HeaderSource;
  /** Not to be given for `GET`: the request's own URL, from which the page's origin is known where there is no `Host`. */
  url?: string;
  /** The browser's address, as the framework knows it; Sprag believes it from its `trusted-proxies`. */
  address?: string | undefined;
}

export type HeaderSource =
  { get(name: string): string | null | undefined } | Record<string, string | string[] | undefined>;

/** Node's request and response, as Express and others have them. */
export interface NodeRequest {
  headers: Record<string, string | string[] | undefined>;
  url?: string | undefined;
  ip?: string | undefined;
  socket?: { remoteAddress?: string | undefined };
}
export interface NodeResponse {
  headersSent: boolean;
  getHeader(name: string): unknown;
  setHeader(name: string, value: string | string[]): unknown;
}

/** A store of cookies as Next.js' `cookies()`, SvelteKit's `event.cookies` and others are. */
export interface CookieStore {
  get(name: string): string | { value: string } | undefined;
  set(name: string, value: string, attributes: object): unknown;
}

export interface WebSession {
  session: ServerSession;
  /** Writes the cookies into an answer, which caches then leave alone. Once, when all is done. */
  applyTo(headers: Headers): void;
  /** The `Cookie` header with what is new in it, for whatever handles the same request after this. */
  cookieHeader(): string;
}

export interface Server {
  /** Where cookies can be written: handlers, actions, middleware. */
  session(incoming: IncomingRequest): ServerSession;
  /** Where they cannot, as in Next.js' server components: it reads, and refreshes nothing. */
  readOnly(incoming: { cookies: Pick<CookieJar, 'get'> | CookieStore; headers?: HeaderSource }): ServerSession;
  /** For a store of cookies: Next.js' `await cookies()` in handlers and actions, SvelteKit's `event.cookies`. */
  fromStore(store: CookieStore, headers: HeaderSource, more?: { url?: string; address?: string }): ServerSession;
  /** For a request of the web: Next.js' middleware, Hono, Remix. */
  fromRequest(request: Request, more?: { address?: string }): WebSession;
  /** For Node's: Express, Connect, Polka. One session for one request, however often it is asked for. */
  fromNode(request: NodeRequest, response: NodeResponse): ServerSession;
  /** Express middleware that leaves the session in `request.sprag`. */
  express(): (request: NodeRequest & { sprag?: ServerSession }, response: NodeResponse, next: () => void) => void;
}

/** Sessions of a web app that makes its pages on a server: cookies in, cookies out. */
export function createServer(options: ServerOptions): Server {
  const settings = settingsOf(options);
  const pages = options.pages?.map((page) => new URL(page).origin);
  const ofNode = new WeakMap<object, ServerSession>();

  const session = ({ cookies, headers, url, address }: IncomingRequest): ServerSession => {
    const get = reader(headers);
    const sent = parseCookies(get('cookie'));
    const { mark, retry } = settings.names;
    const instance = sent.get(mark) || cookies.get(mark);
    const named = instance ?? crypto.randomUUID();
    const known = [...sent].filter(([name]) => isDeviceCookie(name)).map(([name, value]) => `${name}=${value}`);
    const device = [...known, `${mark}=${named}`].join('; ');
    const retryId = retry && retryIdIn(sent.get(retry) || cookies.get(retry));
    const isMarked = instance !== undefined;
    const caller = { userAgent: get('user-agent'), device, instance: named, isMarked, address, retryId };
    const shown = cookies.get(settings.names.refresh);
    if (shown) settings.refresher.seen(shown, caller).catch(() => undefined);
    return new ServerSession(settings, { jar: cookies, caller, isOwn: isOwn(get, url, pages) });
  };

  const fromNode = (request: NodeRequest, response: NodeResponse): ServerSession => {
    const known = ofNode.get(request);
    if (known) return known;
    const sent = parseCookies(single(request.headers['cookie']));
    const cookies: CookieJar = {
      get: (name) => sent.get(name),
      canWrite: () => !response.headersSent,
      set(name, value, attributes) {
        const before = [response.getHeader('set-cookie') ?? []].flat().map(String);
        const others = before.filter((line) => !line.startsWith(`${name}=`));
        response.setHeader('set-cookie', [...others, serialize(name, value, attributes)]);
        response.setHeader('cache-control', 'private, no-store');
      },
    };
    const made = session({ cookies, headers: request.headers, address: request.ip ?? request.socket?.remoteAddress });
    ofNode.set(request, made);
    return made;
  };

  return {
    session,
    readOnly: ({ cookies, headers = {} }) =>
      session({ cookies: { get: (name) => valueOf(cookies.get(name)) }, headers }),
    fromStore: (store, headers, more = {}) =>
      session({
        cookies: {
          get: (name) => valueOf(store.get(name)),
          set: (name, value, how) => void store.set(name, value, how),
        },
        headers,
        ...more,
      }),
    fromRequest: (request, more = {}) => fromRequest(session, request, more),
    fromNode,
    express: () => (request, response, next) => {
      request.sprag = fromNode(request, response);
      next();
    },
  };
}

function fromRequest(make: Server['session'], request: Request, more: { address?: string }): WebSession {
  const sent = parseCookies(request.headers.get('cookie'));
  const written = new Map<string, { value: string; line: string }>();
  let isDone = false;
  const cookies: CookieJar = {
    get: (name) => sent.get(name),
    canWrite: () => !isDone,
    set: (name, value, how) => void written.set(name, { value, line: serialize(name, value, how) }),
  };
  return {
    session: make({ cookies, headers: request.headers, url: request.url, ...more }),
    applyTo(headers) {
      isDone = true;
      for (const { line } of written.values()) headers.append('set-cookie', line);
      if (written.size > 0) headers.set('cache-control', 'private, no-store');
    },
    cookieHeader() {
      const now = new Map(sent);
      for (const [name, { value }] of written) value === '' ? now.delete(name) : now.set(name, value);
      return [...now].map(([name, value]) => `${name}=${value}`).join('; ');
    },
  };
}

function settingsOf(options: ServerOptions): SessionSettings {
  const { besidePage = false, cookies = {}, verifier } = options;
  const secure = cookies.secure ?? true;
  const prefix = secure ? '__Host-' : '';
  const refresh = cookies.refresh ?? `${prefix}sprag_refresh`;
  const url = options.url.replace(/\/$/, '');
  const fetch: typeof globalThis.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const wire = { url, profile: options.profile ?? sprag, fetch, timeout: options.timeout ?? 8_000 };
  return {
    wire,
    names: {
      refresh,
      mark: `${refresh}-device`,
      retry: besidePage ? `${besidePage === true ? 'sprag' : besidePage}_retry` : undefined,
      access: cookies.access ?? `${prefix}sprag_access`,
      secure,
      sameSite: cookies.sameSite ?? 'lax',
    },
    refresher: new Refresher(wire, options.memory, checkedSecret(options.secret)),
    origins: new Set([url, ...(options.origins ?? [])].map((origin) => new URL(origin).origin)),
    verify: verifier && ((token) => verifier.verify(token)),
  };
}

/** Whether a page of this app asked: what only a browser of today, or a page of another site, would say otherwise. */
function isOwn(
  get: (name: string) => string | undefined,
  url: string | undefined,
  pages: string[] | undefined,
): boolean {
  const origin = get('origin');
  if (pages && origin !== undefined) return pages.includes(origin);
  const site = get('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  if (origin === undefined) return true;
  const host = get('host') ?? (url && new URL(url).host);
  return URL.canParse(origin) && new URL(origin).host === host;
}

function reader(headers: HeaderSource): (name: string) => string | undefined {
  if (typeof headers.get === 'function') return (name) => (headers as Headers).get(name) ?? undefined;
  return (name) => single((headers as Record<string, string | string[] | undefined>)[name]);
}

const single = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join('; ') : value;

const valueOf = (cookie: string | { value: string } | undefined): string | undefined =>
  typeof cookie === 'object' ? cookie.value : cookie;
