import { SpragError } from '../error.js';
import { withoutTokens } from '../strip.js';
import { readToken } from '../token.js';
import type { Answer, Profile, SessionSnapshot } from '../types.js';
import type { CookieAttributes, CookieJar } from './cookies.js';
import type { Refresher } from './refresher.js';
import { type Answered, call, type Caller, claimsOf, isEnd, type Tokens, type Wire, withToken } from './wire.js';

/** The cookies of an app. */
export interface CookieNames {
  refresh: string;
  access: string;
  /** Of the name by which the server knows the browser; the server's own cookie mode calls it the same. */
  mark: string;
  /** Of the retry id, which scripts may read, where a page's client works on the same refresh cookie. */
  retry: string | undefined;
  secure: boolean;
  sameSite: 'strict' | 'lax';
}

export interface SessionSettings {
  wire: Wire;
  names: CookieNames;
  refresher: Refresher;
  /** Origins that may see the access token. */
  origins: ReadonlySet<string>;
  verify: ((token: string) => Promise<Record<string, unknown>>) | undefined;
}

export interface Incoming {
  jar: CookieJar;
  caller: Caller;
  /** Whether the request came from a page of the app's own, as far as its headers show. */
  isOwn: boolean;
}

/** So much earlier than the access token ends its cookie does, in seconds: a page takes a moment to be made. */
const EARLY = 30;
/** As long as browsers keep a cookie, in seconds. */
const LONGEST = 400 * 86_400;

/** The session of one incoming request. However many components ask it, it refreshes once. */
export class ServerSession {
  readonly #settings: SessionSettings;
  readonly #incoming: Incoming;
  #access: string | undefined;
  #refresh: string | undefined;
  #ended: SpragError | undefined;
  #refreshing: Promise<string | undefined> | undefined;
  #hasRefreshed = false;
  #isOver = false;

  constructor(settings: SessionSettings, incoming: Incoming) {
    this.#settings = settings;
    this.#incoming = incoming;
    this.#refresh = incoming.jar.get(settings.names.refresh) || undefined;
    const access = incoming.jar.get(settings.names.access) || undefined;
    this.#access = isOfSession(access, this.#refresh) ? access : undefined;
  }

  /** Whether cookies can be written here, so that a refresh may be asked for. */
  get canWrite(): boolean {
    const { jar } = this.#incoming;
    return !this.#isOver && jar.set !== undefined && (jar.canWrite?.() ?? true);
  }

  /**
   * An access token; undefined where there is no session, or none can be had since cookies cannot be written here. Rejects
   * with a `SpragError` where the server cannot be reached: then the session stays.
   */
  async accessToken(): Promise<string | undefined> {
    if (this.#access !== undefined || this.#refresh === undefined) return this.#access;
    return this.canWrite ? this.#refreshOnce() : undefined;
  }

  /** What is known, for the page's first render. Never rejects; its claims are for display, unverified. */
  async snapshot(): Promise<SessionSnapshot> {
    const token = await this.accessToken().catch(() => undefined);
    if (token !== undefined) {
      const claims = claimsOf(token);
      const id = claims?.['sid'];
      return { state: 'signed-in', ...(typeof id === 'string' ? { id } : {}), ...(claims ? { claims } : {}) };
    }
    return { state: this.#refresh === undefined || this.#ended ? 'signed-out' : 'unknown' };
  }

  /** What the access token says, verified: what a page may decide by. Undefined where there is none that is good. */
  async claims(): Promise<Record<string, unknown> | undefined> {
    const { verify } = this.#settings;
    if (!verify) throw new SpragError('not_offered', 'no verifier was given; hand one in: createServer({ verifier })');
    const token = await this.accessToken();
    if (token === undefined) return undefined;
    try {
      return await verify(token);
    } catch (error) {
      if ((error as { status?: number }).status !== 401) throw error;
    }
    // What the browser sent is old, or forged. What the server gives is neither.
    const next = await this.#afterRefusal(token);
    if (next === undefined) return undefined;
    return verify(next).catch((error: { status?: number }) => {
      if (error.status !== 401) throw error;
      return undefined;
    });
  }

  /** As the platform's, with the access token for the allowed origins; refreshes on 401 where it can, and repeats once. */
  async fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const again = request.body === null ? request.clone() : isRepeatable(init?.body) && new Request(input, init);
    const { wire, origins } = this.#settings;
    const isAllowed = origins.has(new URL(request.url).origin) && !request.headers.has('authorization');
    const token = isAllowed ? await this.accessToken() : undefined;
    if (token === undefined) return wire.fetch(request);
    request.headers.set('authorization', `Bearer ${token}`);
    const answer = await wire.fetch(request);
    if (answer.status !== 401 || !again) return answer;
    const next = await this.#afterRefusal(token).catch(() => undefined);
    if (next === undefined) return answer;
    await answer.body?.cancel();
    again.headers.set('authorization', `Bearer ${next}`);
    return wire.fetch(again);
  }

  /** Logs in with the fields that the profile takes. The answer has no tokens: they are in the cookies. */
  async login(fields: Readonly<Record<string, unknown>>): Promise<Answer> {
    return this.#begin(this.#profile.routes.login, fields);
  }

  /** Registers; signs in where the profile answers with tokens. */
  async register(fields: Readonly<Record<string, unknown>>): Promise<Answer> {
    return this.#begin(this.#profile.routes.register, fields);
  }

  /** Changes the password; the session that asked goes on as a new one. */
  async changePassword(current: string, next: string): Promise<Answer> {
    const [before, after] = this.#profile.passwordFields ?? ['current_password', 'new_password'];
    const bearer = await this.#bearer();
    const fields = { [before]: current, [after]: next, ...withToken(this.#profile, this.#refresh) };
    return this.#begin(this.#profile.routes.password, fields, bearer);
  }

  /** Has the server end the session, and forgets it in the browser, also where the server could not be told (then it rejects). */
  async logout(): Promise<void> {
    this.#mustBeOwn();
    const { routes, logoutByAccessToken } = this.#profile;
    const refresh = this.#refresh;
    const bearer = logoutByAccessToken && refresh ? await this.#bearer().catch(() => ({})) : {};
    this.#forget();
    if (refresh === undefined) return;
    const { caller } = this.#incoming;
    // By it the server knows whose token this is, although the answer with the next one may have been lost.
    const retryId = await this.#settings.refresher.retryId(refresh, caller);
    await this.#end(routes.logout, withToken(this.#profile, refresh), { ...bearer, 'idempotency-key': retryId });
  }

  /** Has the server end every session of the account, and forgets this one once it did. */
  async logoutEverywhere(): Promise<void> {
    this.#mustBeOwn();
    if (this.#refresh === undefined) return;
    await this.#end(this.#profile.routes.logoutEverywhere, {}, await this.#bearer());
    this.#forget();
  }

  get #profile(): Profile {
    return this.#settings.wire.profile;
  }

  async #end(path: string | undefined, fields: Record<string, unknown>, bearer: Record<string, string>): Promise<void> {
    try {
      await call(this.#settings.wire, path, fields, this.#incoming.caller, bearer);
    } catch (error) {
      // It was over already.
      if (!isEnd(this.#profile, error)) throw error;
    }
  }

  async #bearer(): Promise<Record<string, string>> {
    const token = await this.accessToken();
    if (token === undefined) throw new SpragError('signed_out', 'this takes a session; log in first');
    return { authorization: `Bearer ${token}` };
  }

  async #begin(path: string | undefined, fields: object, headers: Record<string, string> = {}): Promise<Answer> {
    this.#mustBeOwn();
    if (!this.canWrite)
      throw new SpragError('not_offered', 'cookies cannot be written here; do it in a handler or an action');
    const { wire, refresher } = this.#settings;
    const replaced = this.#profile.loginTakesToken ? withToken(this.#profile, this.#refresh) : {};
    const begun = await call(wire, path, { ...replaced, ...fields }, this.#incoming.caller, headers);
    if (begun.tokens) {
      const nextId = await refresher.firstId(begun.tokens.refresh, this.#incoming.caller);
      this.#keep(begun, begun.tokens, nextId);
    }
    return withoutTokens(this.#profile, begun.body);
  }

  /** A token after the one that an API, or the verifier, refused. */
  async #afterRefusal(token: string): Promise<string | undefined> {
    if (this.#access !== token) return this.#access;
    if (this.#hasRefreshed || this.#refresh === undefined || !this.canWrite) return undefined;
    return this.#refreshOnce();
  }

  #refreshOnce(): Promise<string | undefined> {
    this.#refreshing ??= this.#askForTokens().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #askForTokens(): Promise<string | undefined> {
    if (this.#ended) return undefined;
    const { refresher } = this.#settings;
    const outcome = await refresher.refresh(this.#refresh as string, this.#incoming.caller);
    this.#hasRefreshed = true;
    if (outcome.answered?.tokens) {
      try {
        this.#keep(outcome.answered, outcome.answered.tokens, outcome.nextId);
      } catch {
        // A framework that says only so that the answer has gone, as SvelteKit does: the retry id brings the tokens again.
        this.#isOver = true;
      }
    } else {
      // The cookie stays: this refusal may come later than a new log-in, whose cookie it must not take away.
      this.#ended = outcome.ended;
      this.#access = undefined;
    }
    return this.#access;
  }

  #keep({ device }: Answered, { access, refresh, accessLives, refreshLives }: Tokens, retryId: string): void {
    const isNew = refresh !== this.#refresh;
    this.#access = access;
    this.#refresh = refresh;
    this.#ended = undefined;
    const { names } = this.#settings;
    // Inside the reuse interval the token stays the same: a cookie that is the newest already is not written over.
    if (isNew) this.#set(names.refresh, refresh, refreshLives);
    if (isNew && names.retry) this.#set(names.retry, retryId, LONGEST, true);
    this.#set(names.access, access, Math.max(accessLives - Math.min(EARLY, accessLives / 3), 1));
    const { caller } = this.#incoming;
    if (!caller.isMarked) this.#set(names.mark, caller.instance, LONGEST);
    for (const { name, value, maxAge } of device) this.#set(name, value, maxAge ?? LONGEST);
  }

  #forget(): void {
    this.#access = undefined;
    this.#refresh = undefined;
    const { names } = this.#settings;
    for (const name of [names.refresh, names.access]) this.#set(name, '', 0);
    if (names.retry) this.#set(names.retry, '', 0, true);
  }

  #set(name: string, value: string, seconds: number, isReadable = false): void {
    const { secure, sameSite } = this.#settings.names;
    const maxAge = Math.floor(Math.min(seconds, LONGEST));
    const attributes: CookieAttributes = { path: '/', httpOnly: !isReadable, secure, sameSite, maxAge };
    // Between the question and its answer the headers may have gone; then the retry id brings the answer again.
    if (this.canWrite) this.#incoming.jar.set?.(name, value, attributes);
  }

  #mustBeOwn(): void {
    if (this.#incoming.isOwn) return;
    const why =
      'a page of another origin asked for this; if it is one of yours, name it: createServer({ pages: [...] })';
    throw new SpragError('origin_refused', why, 403);
  }
}

/** Whether both tokens are of one session; who logs in elsewhere on this host puts another refresh token beside an old access token. */
function isOfSession(access: string | undefined, refresh: string | undefined): boolean {
  if (access === undefined || refresh === undefined) return false;
  const [session, said] = [readToken(refresh)?.session, claimsOf(access)?.['sid']];
  return session === undefined || said === undefined || session === said;
}

function isRepeatable(body: unknown): boolean {
  const isStream = typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body);
  return body !== undefined && body !== null && !isStream;
}
