import { attempt, quiet, unref } from './after.js';
import { accessOf, between, dueIn, left, now, passed, sessionOf, type Access, type Moment } from './access.js';
import { SpragError } from './error.js';
import { bearing } from './fetch.js';
import { sprag } from './profiles.js';
import { isBusy, isNewer, newId, openStore, HELD, type Kept } from './store.js';
import { readClaims, readToken } from './token.js';
import type { Answer, Client, ClientOptions, Session, SessionSnapshot, SignedOut } from './types.js';
import { here, isFault, judged, originOf, says, sender, text, unreachable } from './wire.js';

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
/** How long a retry id that was sent more than once is kept, in milliseconds: the longest reuse interval that there is. */
const LATE = 300_000;
/** After how many answers it is kept at most: for ever would have a thief who copied it be taken for its owner. */
const KEPT = 8;
const PATIENCE = 600_000;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A client of one session: log in, and fetch. */
export function createClient(options: ClientOptions): Client {
  const { profile = sprag, mode, name = 'sprag' } = options;
  const { routes, answer, refusal } = profile;
  const inBody = mode === 'body';
  if (!inBody && !profile.cookie) throw new SpragError('not_offered', 'The profile has no cookie mode; use body');
  const page = typeof document === 'object' ? document : undefined;
  const { location } = globalThis;
  /** The platform's is looked up at each call: what replaces it later (a mock, an instrument) counts. */
  const ask: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const send = sender(options, refusal, ask);
  const store = openStore(options.storage ?? attempt(() => (page ? localStorage : undefined)), name, options.importFrom);
  const session = Object.assign(new EventTarget(), { current: { state: 'unknown' }, state: 'unknown' }) as Writable<Session>;
  const listening = new AbortController();
  let isActive = options.ahead !== false;

  let access: Access | undefined;
  /** The token, or in cookie mode the retry id, that the server does not know: not asked for again until the next start. */
  let unknown: string | undefined;
  let refreshing: Promise<string | undefined> | undefined;
  /** The last action; settles always, with nothing. */
  let acting: Promise<unknown> = Promise.resolve();
  /** This tab's mark of an action under way. */
  let mine: number | undefined;
  /** Stops what may not meet an action: its answer would take the place of the cookie that the action sets. */
  let gate = new AbortController();
  /** Whose access token was shown last. */
  let who: unknown;
  /** How often in a row no refresh was answered; the last error, and how long the server wants to be left alone. */
  const line = { failures: 0 };
  let failed: { readonly error: SpragError; readonly since: Moment; readonly wait: number } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let channel: BroadcastChannel | undefined;
  /** Wakes whoever waits for another tab. */
  let wake = quiet;

  /** What the kept session is known by: its token, or in cookie mode its retry id, or what stands for it. */
  const mark = ({ t, r, m }: Kept): string | undefined => (inBody ? t : (m ?? r));
  const has = (kept: Kept): boolean => kept.s !== undefined && !!mark(kept) && mark(kept) !== unknown;

  const put = (next: SessionSnapshot): void => {
    const before = session.current;
    if (JSON.stringify(next) === JSON.stringify(before)) return;
    session.current = next;
    session.state = next.state;
    session.dispatchEvent(new Event('change'));
    if (before.state === 'signed-in' && next.state === 'signed-out') session.dispatchEvent(new Event('signedout'));
  };

  /** Shows what is kept as the session. */
  const show = (kept: Kept, why?: SignedOut): Kept => {
    const { current } = session;
    if (isBusy(kept)) {
      gate.abort();
      gate = new AbortController();
    }
    if (access?.of !== kept.s) access = undefined;
    if (has(kept)) {
      const claims = access && readClaims(access.token);
      // From one person to another there is an end between, also for a tab that slept through it.
      const sub = claims?.['sub'] ?? who;
      if (who && sub !== who) put({ state: 'signed-out', signedOut: { cause: 'replaced', detail: 'Another person logged in' } });
      who = sub;
      put({ state: 'signed-in', id: kept.s, claims });
    } else {
      who = undefined;
      const signedOut = why ?? kept.o ?? current.signedOut;
      put({ state: signedOut || inBody || current.state !== 'unknown' ? 'signed-out' : 'unknown', signedOut });
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
    channel?.postMessage({ was, kept: store.last, entry, access: access && { ...left(access), since: now() } } satisfies Message);

  /** What another tab may change that somebody waits for. That a request leaves or fails is none: its time to ask again stays. */
  const news = (): string => JSON.stringify([mark(store.last), store.last.b, access?.token]);

  const hear = ({ was, kept, entry, access: theirs }: Message): void => {
    const before = news();
    // Of another session than this one only a log-in is news.
    if (entry || was === store.last.s) show(store.take(JSON.stringify(kept)));
    // The token that is here already is no answer, nor is one that is over.
    const life = access ? left(access).life : 0;
    if (theirs && theirs.of === store.last.s && theirs.token !== access?.token && theirs.life > 0 && theirs.life >= life)
      hold({ ...theirs, since: [performance.now(), theirs.since[1]] });
    if (news() !== before) wake();
  };

  /** Until another tab changed something, or so long. */
  const another = (time: number): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, time);
    });

  /** Until what is kept is so, or so long. */
  const until = async (time: number, isSo: (kept: Kept) => unknown): Promise<void> => {
    const since = now();
    while (!isSo(await look()) && passed(since) < time) await another(1000);
  };

  /** Until no action is under way, here or in another tab. Gives what stops a request once one begins. */
  const free = async (): Promise<AbortSignal> => {
    await acting;
    await until(HELD, (kept) => !isBusy(kept));
    return gate.signal;
  };

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
      if (!mayFollow(kept, token)) return;
      const next = { ...rest(kept), s: s || kept.s || '', t: inBody ? token : undefined, r: newId() };
      // In cookie mode one retry id lives until an answer was read, and for a while longer where it was sent more than once.
      return inBody || entry ? next : doubted(kept, next);
    });
    if (!has(kept)) return undefined;
    if (s && s !== kept.s) {
      // Somebody logged in meanwhile: what this one did is done.
      if (entry) return undefined;
      throw unreachable('another session');
    }
    hold(accessOf(profile, body, kept.s as string, entry, since));
    tell(was, entry);
    return access?.token;
  };

  /** What follows `kept` where its retry id is kept on, `next` else. */
  const doubted = (kept: Kept, next: Kept): Kept => {
    const { r, n = 0, q = 0, c = 0 } = kept;
    const at = n > 1 ? Date.now() : q;
    return Math.abs(Date.now() - at) < LATE && c < KEPT ? { ...next, r, m: newId(), q: at, c: c + 1 } : next;
  };

  /** What outlives a session: the instance, and another tab's mark. */
  const rest = ({ i, b }: Kept): Kept => ({ i, b: b === mine ? undefined : b });

  /** Changes what is kept, here and in every tab. */
  const change = async (how: (kept: Kept) => Kept | undefined | false): Promise<void> => {
    const was = store.last.s;
    show(await store.update(how));
    tell(was);
  };

  /** Forgets the session, since its user wants it to end. */
  const leave = (cause: string, detail: string, l?: string): Promise<void> =>
    change((kept) => ({ ...rest(kept), o: { cause, detail }, l }));

  /** Whether an answer that came may still undo the end: nobody wanted it. */
  const mayReturn = ({ o }: Kept): unknown => o && !/^logout/.test(o.cause);

  /** The refresh token as a body shows it; in cookie mode the cookie does. */
  const bodyOf = (t: string | undefined): Answer | false => inBody && { [answer.refresh]: t };

  const askFor = ({ t, r, i }: Kept, stopped?: AbortSignal): Promise<Answer> =>
    send(routes.refresh, bodyOf(t), i, r, undefined, stopped);

  const renew = async (): Promise<string | undefined> => {
    if (failed && passed(failed.since) < failed.wait) throw failed.error;
    const begun = access;
    let refusals = 0;
    return insist(async function again(): Promise<string | undefined> {
      const stopped = await free();
      // A log-out that the server was not told yet: the cookie is no session's that anybody wants.
      const isNone = (kept: Kept): unknown => !has(kept) && (inBody || refusals || kept.l);
      // Every tab knows the retry id before the request leaves, and in cookie mode how often it did.
      const sent =
        isNone(store.last) || (inBody && store.last.r)
          ? store.last
          : await store.update((kept) => (isNone(kept) ? undefined : { ...kept, r: kept.r ?? newId(), n: (kept.n ?? 0) + 1 }));
      if (isNone(sent)) return undefined;
      // Another tab was answered while this one waited.
      if (access && access !== begun) return access.token;
      const isSame = (kept: Kept): boolean => mark(kept) === mark(sent);
      const since = now();
      try {
        // Of one session the newer token; of another none but an import's (or a server's whose tokens say nothing).
        return await take(await askFor(sent, stopped), since, (kept, token) =>
          inBody ? isNewer(token, kept.t) || (isSame(kept) && token && !readToken(kept.t)) : isSame(kept) || mayReturn(kept),
        );
      } catch (thrown) {
        const error = thrown as SpragError;
        const kept = await look();
        // An action began meanwhile: whatever this was told is about the session before.
        if (stopped.aborted) return again();
        // It may still be on its way, though another tab was answered meanwhile.
        if (!inBody && !error.status)
          await change((next) => {
            if (isSame(next)) return { ...next, r: sent.r, n: 2 };
            return has(next) && next.s === sent.s && !next.n && { ...next, r: sent.r, m: mark(next), q: Date.now() };
          });
        const isUnknown = says(error, refusal, refusal.unknown);
        if (!isUnknown && !says(error, refusal, refusal.ended)) throw error;
        const { code, message: detail } = error;
        const cause = text(error.body, refusal.cause) ?? (code === 'refused' ? detail : code);
        // In cookie mode another tab's answer may be about to set a newer cookie; or somebody replaced the session past this
        // client. And no server is believed at once that it does not know its own token.
        const isSure = refusals++ || kept.s === undefined || (inBody && !isUnknown && !/replaced|place|password/.test(cause + detail));
        if (!isSame(kept)) return again();
        if (!isSure) await until(inBody ? 3000 : 1000, (next) => !isSame(next));
        else if (inBody && isUnknown) {
          unknown = kept.t; // Which is kept for the next start.
          show(kept, { cause, detail });
        } else await change((kept) => isSame(kept) && { ...rest(kept), o: { cause, detail }, ...(isUnknown && { r: kept.r, n: kept.n }) });
        return again();
      }
    }, line);
  };

  /** Tries again while no answer comes; rejects once whoever asked has waited long enough. */
  const insist = async <T>(call: () => Promise<T>, count = { failures: 0 }): Promise<T> => {
    for (;;) {
      try {
        const result = await call();
        count.failures = 0;
        return result;
      } catch (thrown) {
        const error = thrown as SpragError;
        count.failures += 1;
        const mayPass = isFault(error) || (count === line && error.status === 401);
        const told = Math.min(error.retryAfter * 1000, PATIENCE) || 0;
        const wait = Math.max(told, Math.min(500 * 2 ** count.failures, BACK_OFF) * between(0.75, 1));
        if (count.failures >= TRIES || !mayPass || told > 5000) {
          if (count === line) {
            failed = { error, since: now(), wait: told };
            if (mayPass) plan(wait);
          }
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
    if (!listening.signal.aborted && kept.l) await farewell(kept).catch(quiet);
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

  /**
   * Runs an action alone. Every tab knows of it before it is sent: they stop what could take the place of the cookie that it
   * sets, and believe no end of the session that it replaces.
   */
  const alone = (action: () => Promise<Answer>): Promise<Answer> => {
    const done = acting.then(async () => {
      mine = Date.now() + Math.random();
      await change((kept) => ({ ...kept, b: mine }));
      try {
        return await action();
      } finally {
        await change((kept) => kept.b === mine && { ...kept, b: undefined });
      }
    });
    acting = done.then(quiet, quiet);
    return done;
  };

  /** A call by who is logged in; asked again with the same retry id where no answer came. */
  const call = (path: string | undefined, fields: Answer | undefined, token: string | undefined): Promise<Answer> => {
    if (!token) throw new SpragError('signed_out', 'Log in first');
    const { i } = store.last;
    const r = newId();
    return insist(() => send(path, fields, i, r, token));
  };

  /** Replaces the session by the one that is answered. */
  const replace = async (path: string | undefined, fields: Answer): Promise<Answer> => {
    // So new that no 401 is about the token.
    await refresh();
    return alone(async () => {
      const { s, t } = store.last;
      const since = now();
      const answered = await call(path, { ...bodyOf(t), ...fields }, access?.token);
      // Somebody may have logged in or out meanwhile; that the session ends is what its replacement does.
      await take(answered, since, (kept) => kept.s === s || mayReturn(kept), true);
      return answered;
    });
  };

  /** Opens a session. */
  const begin = (path: string | undefined, fields: Answer, isLogin: boolean): Promise<Answer> =>
    alone(async () => {
      const { i, t } = store.last;
      const since = now();
      const token = isLogin && profile.loginTakesToken && t && bodyOf(t);
      const answered = await send(path, { ...(!inBody && profile.cookie), ...token, ...fields }, i);
      if (isLogin || text(answered, answer.access)) await take(answered, since, () => true, true);
      return answered;
    });

  /** Has the server end the session that was logged out of, unless a log-in took its place: that ended it. */
  const farewell = ({ i, t, l: r }: Kept, held?: string): Promise<void> =>
    insist(async function again(): Promise<void> {
      const stopped = await free();
      if (!inBody && !store.last.l) return;
      try {
        const token = held ?? (profile.logoutByAccessToken && text(await askFor({ i, t, r }, stopped), answer.access));
        // By the retry id the server knows whose token this is, though the answer with the next one may have been lost.
        // With `keepalive` a browser lets it go on though it was stopped, and its answer clears the cookie of the next log-in.
        await send(routes.logout, bodyOf(t), i, r, token, stopped, inBody);
      } catch (error) {
        await look();
        if (stopped.aborted) return again();
        // Whoever is no longer known there is logged out; what a portal says of it is nobody's word.
        if (!says(error as SpragError, refusal, [...refusal.ended, ...refusal.unknown])) throw error;
      }
      await change((kept) => kept.l === r && { ...kept, l: undefined });
    }).catch((error: unknown) => {
      plan(60_000);
      throw error;
    });

  /** Against what a page's own calls are resolved, so that the address which is looked at is the one that is asked. */
  const allows = (url: string | URL): boolean => {
    const origin = originOf(url, page?.baseURI ?? location?.href);
    return !!origin && [options.url || '/', ...(options.origins ?? [])].some((each) => originOf(each, here()) === origin);
  };

  // In a page only: what runs elsewhere may serve many people, whose clients must never hear of each other.
  if (page) {
    const open = (): void => {
      // Nor must tabs that were to be apart.
      if (attempt(() => options.storage === sessionStorage)) return;
      channel ??= attempt(() => new BroadcastChannel(name));
      if (channel) channel.onmessage = ({ data }: MessageEvent<Message | null>) => data?.kept && hear(data);
    };
    const on = (event: string, listener: (event: { readonly key?: string | null }) => unknown): void =>
      // What happens to the document rises to the window.
      addEventListener(event, listener as EventListener, listening);
    open();
    on('visibilitychange', check);
    on('storage', ({ key }) => {
      const before = news();
      return key === name && look().then(() => news() !== before && wake());
    });
    on('online', () => {
      failed = undefined;
      line.failures = 0;
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
    // In cookie mode nobody but the server knows, also of a page that is not seen yet. What only renders pages asks for nobody.
    ready: look()
      .then(() => acting)
      .then(() =>
      inBody ? void check() : session.state !== 'unknown' ? check() : page || location ? refresh().then(quiet, quiet) : undefined,
    ),
    login: (fields) => begin(routes.login, fields, true),
    register: (fields) => begin(routes.register, fields, false),
    enter: (path, fields) => begin(path, fields, false),
    stepUp: (fields) => replace(routes.stepUp, fields),
    changePassword(current, next, more) {
      const [before, after] = profile.passwordFields ?? ['current_password', 'new_password'];
      return replace(routes.password, { ...more, [before]: current, [after]: next });
    },
    async adopt(given) {
      const since = now();
      const body = given instanceof Response ? judged(given, await given.text(), refusal) : given;
      await take(body, since, () => true, true);
      return body;
    },
    async logout() {
      const kept = await store.update();
      const l = kept.r ?? newId();
      const held = profile.logoutByAccessToken && access && left(access).life > 0 ? access.token : undefined;
      await leave('logout', 'You signed out', inBody ? undefined : l);
      if (!inBody || kept.t) await farewell({ ...kept, l }, held);
    },
    async logoutEverywhere() {
      await call(routes.logoutEverywhere, undefined, await refresh());
      await leave('logout_all', 'You signed out everywhere');
    },
    fetch: bearing({ allows, accessToken, refresh }, ask),
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
