import { after, quiet, unref } from './after.js';
import { accessOf, between, dueIn, left, now, passed, sessionOf, type Access, type Moment } from './access.js';
import { SpragError } from './error.js';
import { bearing } from './fetch.js';
import { sprag } from './profiles.js';
import { isNewer, newId, openStore, type Kept } from './store.js';
import { readClaims, readToken } from './token.js';
import type { Answer, Client, ClientOptions, Session, SessionSnapshot, SignedOut } from './types.js';
import { isFault, judged, parse, platformFetch, says, sender, text, unreachable } from './wire.js';

/** One tab to the others. */
interface Message {
  /** The session that was there before, and what is kept now. */
  readonly was: string | undefined;
  readonly kept: Kept;
  /** Whether it is a new session's. */
  readonly entry: boolean;
  /** The access token, with what is left of its times. */
  readonly access: Access | undefined;
}

/** How often one call is tried while somebody waits for it: all of it within the server's reuse interval of 30 s. */
const TRIES = 3;
/** The longest wait of our own between two tries, and the longest that a server may ask for, in milliseconds. */
const BACK_OFF = 12_000;
const PATIENCE = 600_000;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A client of one session: log in, and fetch. */
export function createClient(options: ClientOptions): Client {
  const { profile = sprag, mode, name = 'sprag' } = options;
  const { routes, answer, refusal } = profile;
  const inBody = mode === 'body';
  if (!inBody && !profile.cookie) throw new SpragError('not_offered', 'The profile has no cookie mode; use body');
  const page = typeof document === 'object' ? document : undefined;
  const here = globalThis.location?.href;
  const base = new URL(options.url || '/', here).href;
  const origins = [base, ...(options.origins ?? [])].map((url) => new URL(url).origin);
  const send = sender(options, refusal);
  const store = openStore(options.storage ?? localStorageOf(page), name, options.importFrom);
  const session = Object.assign(new EventTarget(), { current: { state: 'unknown' }, state: 'unknown' }) as Writable<Session>;
  const listening = new AbortController();
  let isActive = options.ahead !== false;

  let access: Access | undefined;
  /** The token, or in cookie mode the retry id, that the server does not know: not asked for again until the next start. */
  let unknown: string | undefined;
  let refreshing: Promise<string | undefined> | undefined;
  let acting: Promise<unknown> | undefined;
  /** How often in a row no answer came; the last error, and how long the server wants to be left alone. */
  let failures = 0;
  let failed: { readonly error: SpragError; readonly since: Moment; readonly wait: number } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let channel: BroadcastChannel | undefined;
  /** Wakes whoever waits for another tab. */
  let wake = quiet;

  /** What the kept session is known by: its token, or in cookie mode its retry id. */
  const mark = ({ t, r }: Kept): string | undefined => (inBody ? t : r);
  const has = (kept: Kept): boolean => kept.s !== undefined && !!mark(kept) && mark(kept) !== unknown;

  /** Shows what is kept as the session. */
  const show = (kept: Kept, why?: SignedOut): Kept => {
    const before = session.current;
    if (access?.of !== kept.s) access = undefined;
    const signedOut = why ?? kept.o ?? before.signedOut;
    const state = has(kept) ? 'signed-in' : signedOut || inBody || before.state !== 'unknown' ? 'signed-out' : 'unknown';
    const next = state === 'signed-in' ? { state, id: kept.s, claims: access && readClaims(access.token) } : { state, signedOut };
    if (JSON.stringify(next) !== JSON.stringify(before)) {
      session.current = next as SessionSnapshot;
      session.state = state;
      session.dispatchEvent(new Event('change'));
      if (before.state === 'signed-in' && state === 'signed-out') session.dispatchEvent(new Event('signedout'));
    }
    return kept;
  };

  const shut = (): void => {
    channel?.close();
    channel = undefined;
  };

  /** Looks at what is kept: another tab may have changed it. */
  const look = async (): Promise<Kept> => show(await store.update());

  const tell = (was: string | undefined, entry = false): void =>
    channel?.postMessage({ was, kept: store.last, entry, access: access && left(access) } satisfies Message);

  const hear = ({ was, kept, entry, access: theirs }: Message): void => {
    // Of another session than this one only a log-in is news.
    if (entry || was === store.last.s) show(store.take(JSON.stringify(kept)));
    if (theirs && theirs.of === store.last.s && (!access || theirs.life >= left(access).life)) hold({ ...theirs, since: now() });
    wake();
  };

  /** Until another tab changed something, or so long. */
  const another = (time: number): Promise<void> => Promise.race([after(time, quiet), new Promise<void>((resolve) => (wake = resolve))]);

  const hold = (next: Access): void => {
    access = next;
    failed = undefined;
    show(store.last);
    plan(dueIn(next));
  };

  /**
   * Takes the tokens of an answer, where they may take the place of what is kept. Gives the access token, where it is of the
   * session that is kept then; undefined where there is none any more.
   */
  const take = async (
    body: Answer,
    since: Moment,
    mayFollow: (kept: Kept, token: string | undefined) => unknown,
    entry = false,
  ): Promise<string | undefined> => {
    const token = text(body, answer.refresh);
    if (!text(body, answer.access) || (entry && inBody && !token)) throw unreachable('no token');
    const was = store.last.s;
    const s = sessionOf(profile, body);
    const kept = await store.update((kept) => {
      // In cookie mode one retry id lives until an answer was read.
      if (mayFollow(kept, token)) return { i: kept.i, s: s || kept.s || '', t: inBody ? token : undefined, r: newId() };
    });
    if (!has(kept)) return undefined;
    if (s && s !== kept.s) throw unreachable('another session');
    hold(accessOf(profile, body, kept.s as string, entry, since));
    tell(was, entry);
    return access?.token;
  };

  const leave = async (cause: string, detail: string, isMine: (kept: Kept) => unknown = () => true): Promise<void> => {
    const was = store.last.s;
    show(await store.update((kept) => (isMine(kept) ? { i: kept.i, o: { cause, detail } } : undefined)));
    tell(was);
  };

  const ask = ({ t, r, i }: Kept): Promise<Answer> =>
    send(routes.refresh, inBody ? { [answer.refresh]: t } : undefined, { 'Idempotency-Key': r as string, 'Sprag-Instance': i });

  const renew = async (): Promise<string | undefined> => {
    await acting?.catch(quiet);
    if (failed && passed(failed.since) < failed.wait) throw failed.error;
    const begun = access;
    let refusals = 0;
    return insist(async function again(): Promise<string | undefined> {
      let shown = await look();
      if (!has(shown) && (inBody || refusals)) return undefined;
      // Every tab knows the retry id before the request leaves.
      if (!shown.r) shown = await store.update((kept) => (kept.r ? undefined : { ...kept, r: newId() }));
      // Another tab was answered while this one waited.
      if (access && access !== begun) return access.token;
      const isSame = (kept: Kept): boolean => mark(kept) === mark(shown);
      const since = now();
      try {
        // Of one session the newer token; of another none but an import's (or a server's whose tokens say nothing).
        return await take(await ask(shown), since, (kept, token) =>
          inBody ? isNewer(token, kept.t) || (isSame(kept) && token && !readToken(kept.t)) : isSame(kept),
        );
      } catch (thrown) {
        const error = thrown as SpragError;
        const isUnknown = says(error, refusal, refusal.unknown);
        if (!isUnknown && !says(error, refusal, refusal.ended)) throw error;
        const kept = await look();
        const { code, message: detail } = error;
        const cause = text(error.body, refusal.cause) ?? (code === 'refused' ? detail : code);
        // In cookie mode another tab's answer may be about to set a newer cookie; or another tab is replacing the session. And
        // no server is believed at once that it does not know its own token.
        const isSure = refusals++ || kept.s === undefined || (inBody && !isUnknown && !/replaced|place|password/.test(cause));
        if (!isSame(kept)) return again();
        if (!isSure) await another(inBody ? 3000 : 1000);
        else if (inBody && isUnknown) {
          unknown = kept.t; // Which is kept for the next start.
          show(kept, { cause, detail });
        } else await leave(cause, detail, isSame);
        return again();
      }
    });
  };

  /** Tries again while no answer comes; rejects once whoever asked has waited long enough. */
  const insist = async <T>(call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        const result = await call();
        failures = 0;
        return result;
      } catch (thrown) {
        const error = thrown as SpragError;
        failures += 1;
        const mayPass = isFault(error) || error.status === 401;
        const told = Math.min(error.retryAfter * 1000, PATIENCE);
        const wait = Math.max(told, Math.min(500 * 2 ** failures, BACK_OFF) * between(0.75, 1));
        if (failures >= TRIES || !mayPass || told > 5000) {
          failed = { error, since: now(), wait: told };
          if (mayPass) plan(wait);
          throw error;
        }
        await another(wait);
      }
    }
  };

  const refresh = async (refused?: string): Promise<string | undefined> =>
    access && refused && access.token !== refused
      ? access.token
      : (refreshing ??= renew().finally(() => {
          refreshing = undefined;
        }));

  /** Looks again so much later; where another refresh is due then, in each tab a little later, so that one asks for all. */
  const plan = (wait: number): void => {
    clearTimeout(timer);
    if (isActive) timer = unref(setTimeout(check, Math.min(wait, 1e9)));
  };

  /** What is done at the start, on waking and in time: looks at what is kept, and refreshes where that is due. */
  const check = async (): Promise<void> => {
    const kept = await look();
    if (!isActive || page?.hidden || (inBody ? !has(kept) : kept.o?.cause === 'logout')) return;
    // One that got no answer is asked for again in any case: the server may have turned.
    if (failed || !access || left(access).ahead <= 0) await refresh().catch(quiet);
    else plan(dueIn(access));
  };

  const accessToken = async (): Promise<string | undefined> => {
    // Where no event tells of other programs, a log-in of theirs is found in what is kept.
    if (session.state === 'signed-out' && !has(await look())) return undefined;
    if (!access || left(access).life <= 0) return refresh();
    if (left(access).ahead <= 0 && !failed) refresh().catch(quiet);
    return access.token;
  };

  /** Runs an action alone: no refresh of this tab meets the end of the session that it replaces. */
  const alone = async (action: () => Promise<Answer>): Promise<Answer> => {
    await refreshing?.catch(quiet);
    return (acting = action()) as Promise<Answer>;
  };

  /** The headers of a call by who is logged in; with a token so new that no 401 is about the token. */
  const bearer = async (): Promise<Record<string, string>> => {
    const token = await refresh();
    if (!token) throw new SpragError('signed_out', 'Log in first');
    return { 'Sprag-Instance': store.last.i, Authorization: `Bearer ${token}`, 'Idempotency-Key': newId() };
  };

  /** Replaces the session by the one that is answered; asks again with the same retry id where no answer came. */
  const replace = async (path: string | undefined, fields: Answer): Promise<Answer> => {
    const headers = await bearer();
    return alone(async () => {
      const { s, t } = store.last;
      const since = now();
      const answered = await insist(() => send(path, { ...(inBody && { [answer.refresh]: t }), ...fields }, headers));
      // Somebody may have logged in or out meanwhile; that the session ends is what its replacement does.
      await take(answered, since, (kept) => kept.s === s || (kept.o && kept.o.cause !== 'logout'), true);
      return answered;
    });
  };

  /** Opens a session. */
  const begin = (path: string | undefined, fields: Answer, isLogin: boolean): Promise<Answer> =>
    alone(async () => {
      const { i, t } = await store.update();
      const since = now();
      const token = isLogin && inBody && profile.loginTakesToken && t && { [answer.refresh]: t };
      const answered = await send(path, { ...(!inBody && profile.cookie), ...token, ...fields }, { 'Sprag-Instance': i });
      if (isLogin || text(answered, answer.access)) await take(answered, since, () => true, true);
      return answered;
    });

  const allows = (url: string | URL): boolean => origins.includes(new URL(url, here ?? base).origin);

  // In a page only: what runs elsewhere may serve many people, whose clients must never hear of each other.
  if (page) {
    const open = (): void => {
      if (channel || typeof BroadcastChannel !== 'function') return;
      channel = new BroadcastChannel(name);
      channel.onmessage = ({ data }: MessageEvent<Message>) => hear(data);
    };
    const on = (event: string, listener: (event: { readonly key?: string | null }) => unknown): void =>
      // What happens to the document rises to the window.
      addEventListener(event, listener as EventListener, listening);
    open();
    on('visibilitychange', check);
    on('storage', ({ key }) => key === name && look().then(wake));
    on('online', () => {
      failed = undefined;
      failures = 0;
      return check();
    });
    // A page that is put aside must not hold a channel: browsers would throw the page away instead.
    on('pagehide', shut);
    on('pageshow', () => {
      open();
      return check();
    });
  }

  return {
    session,
    ready: look().then(() => (inBody ? void check() : check())),
    login: (fields) => begin(routes.login, fields, true),
    register: (fields) => begin(routes.register, fields, false),
    stepUp: (fields) => replace(routes.stepUp, fields),
    changePassword(current, next, more) {
      const [before, after] = profile.passwordFields ?? ['current_password', 'new_password'];
      return replace(routes.password, { ...more, [before]: current, [after]: next });
    },
    async adopt(given) {
      const since = now();
      const body = given instanceof Response ? judged(given, parse(await given.text()), refusal) : given;
      await take(body, since, () => true, true);
      return body;
    },
    async logout() {
      const kept = await store.update();
      const held = access;
      await leave('logout', 'You signed out');
      if (inBody && !kept.t) return;
      try {
        await insist(async () => {
          const token = profile.logoutByAccessToken && (held && left(held).life > 0 ? held.token : text(await ask(kept), answer.access));
          const headers = { 'Sprag-Instance': kept.i, ...(token && { Authorization: `Bearer ${token}` }) };
          return send(routes.logout, inBody ? { [answer.refresh]: kept.t } : undefined, headers, true);
        });
      } catch (error) {
        // Whoever is no longer known there is logged out.
        if ((error as SpragError).status !== 401) throw error;
      }
    },
    async logoutEverywhere() {
      const headers = await bearer();
      await insist(() => send(routes.logoutEverywhere, undefined, headers));
      await leave('logout_all', 'You signed out everywhere');
    },
    fetch: bearing({ allows, accessToken, refresh }, options.fetch ?? platformFetch),
    accessToken,
    refresh,
    allows,
    onSignedOut(listener) {
      const call = (): void => listener(session.current.signedOut as SignedOut);
      session.addEventListener('signedout', call);
      return () => session.removeEventListener('signedout', call);
    },
    close() {
      isActive = false;
      listening.abort();
      clearTimeout(timer);
      shut();
    },
  };
}

function localStorageOf(page: Document | undefined): Storage | undefined {
  try {
    return page && globalThis.localStorage;
  } catch {
    return undefined;
  }
}
