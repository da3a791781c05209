import { accessOf, between, isDue, isGood, left, now, passed, sessionOf, type Access, type Moment } from './access.js';
import { SpragError } from './error.js';
import { bearing } from './fetch.js';
import { sprag } from './profiles.js';
import { newId, openStore, type Kept } from './store.js';
import { readClaims, readToken } from './token.js';
import type { Answer, Client, ClientOptions, Session, SessionSnapshot, SignedOut } from './types.js';
import { isFault, isGiven, platformFetch, refusalOf, says, sender, text, type Reply } from './wire.js';

/** One tab to the others. */
interface Message {
  /** The session that was there before. */
  readonly was?: string | undefined;
  /** Whether somebody logged in. */
  readonly entry?: boolean;
  /** What is kept, where the sender's storage is blocked. */
  readonly kept?: string | undefined;
  /** The access token, with what is left of its times. */
  readonly access?: Access;
}

/** How long other tabs wait for the one that is about to replace the session, in milliseconds. */
const REPLACING = 10_000;
/** How often one call is tried while somebody waits for it: all of it within the server's reuse interval of 30 s. */
const TRIES = 3;
/** The longest waits between two tries, in milliseconds: while it is unreachable, and where trying again hardly helps. */
const BACK_OFF = 12_000;
const HOPELESS = 300_000;
/** The longest that a server may ask for, in milliseconds. */
const PATIENCE = 600_000;
/** How often one refresh may find that another tab was faster, before that is a failure. */
const ROUNDS = 6;

const quiet = (): void => {};

class LiveSession extends EventTarget implements Session {
  current: SessionSnapshot = { state: 'unknown' };
  get state(): SessionSnapshot['state'] {
    return this.current.state;
  }
}

/** A client of one session: log in, and fetch. */
export function createClient(options: ClientOptions): Client {
  const { profile = sprag, mode, name = 'sprag' } = options;
  const { routes, answer, refusal } = profile;
  const inBody = mode === 'body';
  if (!inBody && !profile.cookie) throw new SpragError('not_offered', 'this profile has no cookie mode; use mode: "body"');
  const page = typeof document === 'object' ? document : undefined;
  const isAhead = options.ahead !== false;
  const send = sender(options);
  const store = openStore(options.storage ?? localStorageOf(page), name, inBody ? options.importFrom : undefined);
  const session = new LiveSession();
  const base = new URL(options.url || '/', globalThis.location?.href).href;
  const origins = [base, ...(options.origins ?? [])].map((url) => new URL(url).origin);
  const listening = new AbortController();

  let access: Access | undefined;
  /** The token, or in cookie mode the retry id, that the server does not know: not asked for again until the next start. */
  let unknown: string | undefined;
  let refreshing: Promise<string | undefined> | undefined;
  let acting: Promise<unknown> | undefined;
  let failures = 0;
  let failed: { readonly error: SpragError; readonly wait: number; readonly at: Moment } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let channel: BroadcastChannel | undefined;
  /** Wakes whoever waits for another tab. */
  let wake = quiet;

  const has = (kept: Kept): boolean =>
    kept.s !== undefined && (!inBody || !!kept.t) && (!unknown || unknown !== (kept.t ?? kept.r));

  /** Shows what is kept as the session. */
  const show = (kept: Kept, why?: SignedOut): void => {
    const before = session.current;
    if (access?.of !== kept.s) access = undefined;
    const isOut = why || kept.o || inBody || before.state !== 'unknown';
    const signedOut = why ?? (kept.o ? { cause: kept.o[0], detail: kept.o[1] } : before.signedOut);
    const next: SessionSnapshot = has(kept)
      ? { state: 'signed-in', ...(kept.s && { id: kept.s }), ...(access && { claims: readClaims(access.token) ?? {} }) }
      : { state: isOut ? 'signed-out' : 'unknown', ...(signedOut && { signedOut }) };
    if (JSON.stringify(next) === JSON.stringify(before)) return;
    session.current = next;
    session.dispatchEvent(new Event('change'));
    if (before.state === 'signed-in' && next.state === 'signed-out') session.dispatchEvent(new Event('signedout'));
  };

  /** Looks at what is kept: another tab may have changed it. */
  const look = async (): Promise<Kept> => {
    const before = store.last;
    const kept = await store.read();
    show(kept);
    if (kept !== before) wake();
    return kept;
  };

  const tell = (message: Message): void => {
    try {
      channel?.postMessage({ ...message, kept: store.unshared() });
    } catch {
      // A channel that is closing: the storage's event reaches the others.
    }
  };

  const hear = async ({ was, entry, kept, access: theirs }: Message): Promise<void> => {
    if (kept && (entry || was === store.last.s)) store.hear(kept);
    const { s } = await look();
    if (theirs && theirs.of === s && (!access || theirs.life > left(access).life)) hold({ ...theirs, since: now() });
    wake();
  };

  /** Until another tab changed something, or so long. */
  const another = (time: number): Promise<void> =>
    new Promise((resolve) => {
      const limit = setTimeout(resolve, time);
      wake = () => {
        clearTimeout(limit);
        resolve();
      };
    });

  const hold = (next: Access): void => {
    access = next;
    failures = 0;
    failed = undefined;
    show(store.last);
    schedule();
  };

  /** A session begins with these tokens, or takes the place of the one that asked. */
  const enter = async (body: Answer, since: Moment, replaced?: Kept): Promise<void> => {
    const token = text(body, answer.refresh);
    if (inBody && !token) throw new SpragError('refused', `the answer has no ${answer.refresh}; see the profile and the mode`);
    const was = store.last.s;
    const s = sessionOf(profile, body);
    let isIn = false;
    await store.update((kept) => {
      // Somebody may have logged in or out meanwhile; that a session ends is what its replacement does.
      isIn = !replaced || kept.s === replaced.s || (!!kept.o && kept.o[0] !== 'logout');
      return isIn ? { i: kept.i, s, r: newId(), ...(inBody && token && { t: token }) } : undefined;
    });
    if (!isIn) throw new SpragError('signed_out', 'another tab logged in or out meanwhile; this answer is of no use any more');
    unknown = undefined;
    const next = accessOf(profile, body, s, true, since);
    hold(next);
    tell({ was, entry: true, access: left(next) });
  };

  /** A refresh was answered. Gives the access token, where it is of the session that is kept. */
  const goOn = async (body: Answer, shown: Kept, since: Moment): Promise<string | undefined> => {
    const token = text(body, answer.refresh) ?? shown.t;
    const facts = readToken(token ?? '');
    const was = store.last.s;
    const s = sessionOf(profile, body) || facts?.session;
    const kept = await store.update((kept) => {
      if (!inBody) {
        const isMine = kept.r === shown.r || (!kept.o && (kept.s ?? s) === s);
        return isMine ? { i: kept.i, s: s ?? '', r: kept.r === shown.r || !kept.r ? newId() : kept.r } : undefined;
      }
      if (!kept.t || token === kept.t) return undefined;
      const before = readToken(kept.t);
      const isNext = before
        ? facts?.session === before.session && facts.generation > before.generation
        : // An import's first refresh, or a server whose tokens say nothing.
          kept.t === shown.t;
      return isNext ? { i: kept.i, s: s || kept.s || '', r: newId(), t: token as string } : undefined;
    });
    if (!has(kept) || (s && s !== kept.s)) return undefined;
    const next = accessOf(profile, body, kept.s as string, facts?.generation === 0, since);
    hold(next);
    tell({ was, access: left(next) });
    return next.token;
  };

  /** Forgets the session, here and in every tab. */
  const leave = async (isMine: (kept: Kept) => boolean, cause: string, detail: string): Promise<void> => {
    const was = store.last.s;
    show(await store.update((kept) => (isMine(kept) ? { i: kept.i, o: [cause, detail] } : undefined)));
    tell({ was });
  };

  /** Whether the session that was refused is over; false where there is reason to ask once more. */
  const isOver = async (reply: Reply, shown: Kept, isFirst: boolean): Promise<boolean> => {
    const isSame = (kept: Kept): boolean => (inBody ? kept.t === shown.t : kept.r === shown.r);
    if (isSame(await look()) && store.last.p) await another(REPLACING);
    const kept = await look();
    if (!isSame(kept)) return !has(kept);
    const isUnknown = says(reply, profile, refusal.unknown);
    // In cookie mode another tab's answer may be about to set a newer cookie; and no server is believed at once that it
    // does not know its own token.
    if (isFirst && kept.s !== undefined && (!inBody || isUnknown)) {
      await another(1000);
      return false;
    }
    const { code, message } = refusalOf(reply, profile);
    const cause = text(reply.body, refusal.cause) ?? (code === 'refused' ? message : code);
    if (!isUnknown) await leave(isSame, cause, message);
    else if (inBody) {
      unknown = kept.t;
      show(kept, { cause, detail: message });
    } else {
      // No cookie came: there is nothing to forget, and the next start asks again.
      show(await store.update(({ i, r }) => ({ i, ...(r && { r }) })), { cause, detail: message });
    }
    return true;
  };

  /** What to show the server, with a retry id that every tab knows; undefined where there is nothing. */
  const prepared = async (): Promise<Kept | undefined> => {
    const kept = await look();
    if (inBody && !has(kept)) return undefined;
    return kept.r ? kept : store.update((kept) => (kept.r ? undefined : { ...kept, r: newId() }));
  };

  const show_ = (shown: Kept): Promise<Reply> =>
    send(routes.refresh, {
      body: inBody ? { [answer.refresh]: shown.t } : undefined,
      headers: { 'Idempotency-Key': shown.r as string, 'Sprag-Instance': shown.i },
    });

  const renew = async (): Promise<string | undefined> => {
    await acting?.catch(quiet);
    if (failed && passed(failed.at) < failed.wait) throw failed.error;
    const begun = access;
    let refusals = 0;
    for (let round = 1; ; round += 1) {
      const shown = await prepared();
      if (!shown) return undefined;
      // Another tab was answered while this one waited.
      if (access && access !== begun) return access.token;
      const since = now();
      const reply = await show_(shown).catch((error: SpragError) => error);
      if (!(reply instanceof SpragError) && round < ROUNDS) {
        if (isGiven(reply, profile)) {
          const token = await goOn(reply.body as Answer, shown, since);
          if (token || !has(await look())) return token;
          continue;
        }
        if (says(reply, profile, [...refusal.ended, ...refusal.unknown])) {
          if (await isOver(reply, shown, !refusals++)) return undefined;
          continue;
        }
      }
      await fail(reply instanceof SpragError ? reply : refusalOf(reply, profile));
    }
  };

  /** Waits until the next try is due; rejects where whoever asked has waited long enough. */
  const fail = async (error: SpragError): Promise<void> => {
    failures += 1;
    const isHopeless = !isFault(error) && error.status !== 401;
    const told = Math.min((error.retryAfter ?? 0) * 1000, PATIENCE);
    const wait = Math.max(told, Math.min(1000 * 2 ** (failures - 1), isHopeless ? HOPELESS : BACK_OFF) * between(0.75, 1));
    if (failures < TRIES && !isHopeless && told <= 5000) return another(wait);
    failed = { error, wait: Math.max(told, 1000), at: now() };
    plan(wait);
    throw error;
  };

  const refresh = (refused?: string): Promise<string | undefined> => {
    if (access && refused && access.token !== refused) return Promise.resolve(access.token);
    refreshing ??= renew().finally(() => {
      refreshing = undefined;
      schedule();
    });
    return refreshing;
  };

  const plan = (wait: number): void => {
    clearTimeout(timer);
    if (listening.signal.aborted || !isAhead) return;
    timer = setTimeout(check, Math.min(wait, 1e9));
    (timer as { unref?: () => void }).unref?.();
  };

  /** Plans the next refresh; a little later in each tab, so that one asks and the others hear of it. */
  const schedule = (): void => {
    if (!failed && access && session.state === 'signed-in') plan(access.ahead - passed(access.since) + between(0, 2000));
  };

  /** What is done at the start, on waking and in time: looks at what is kept, and refreshes where that is due. */
  const check = async (): Promise<void> => {
    const kept = await look();
    if (listening.signal.aborted || !isAhead || page?.visibilityState === 'hidden') return;
    if (inBody ? !has(kept) : kept.o) return;
    if (isDue(access)) await refresh().catch(quiet);
    else schedule();
  };

  const accessToken = async (): Promise<string | undefined> => {
    if (session.state === 'signed-out') return undefined;
    const last = access;
    if (isGood(last)) {
      if (isDue(last) && !failed) refresh().catch(quiet);
      return last.token;
    }
    return refresh().catch((error: unknown) => {
      if (last && last === access && passed(last.since) < last.life) return last.token;
      throw error;
    });
  };

  /** Tries a call again while it gets no answer. */
  const attempt = async (call: () => Promise<Reply>): Promise<Reply> => {
    for (let tried = 1; ; tried += 1) {
      const reply = await call().catch((error: SpragError) => error);
      if (!isFault(reply) || tried === TRIES) {
        if (reply instanceof SpragError) throw reply;
        return reply;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(1000 * tried, Math.min((reply.retryAfter ?? 0) * 1000, 5000))));
    }
  };

  /** Runs an action alone: meanwhile no tab takes the end of the session that it replaces for the end of all. */
  const alone = async <T>(action: () => Promise<T>): Promise<T> => {
    await refreshing?.catch(quiet);
    const run = (async () => {
      await store.update((kept) => (has(kept) ? { ...kept, p: 1 } : undefined));
      try {
        return await action();
      } finally {
        await store.update(({ p, ...kept }) => (p ? kept : undefined));
      }
    })();
    acting = run;
    try {
      return await run;
    } finally {
      if (acting === run) acting = undefined;
    }
  };

  const route = (path: string | undefined): string => {
    if (path) return path;
    throw new SpragError('not_offered', 'the profile names no such call');
  };

  const given = (reply: Reply): Answer => {
    if (reply.status < 200 || reply.status > 299) throw refusalOf(reply, profile);
    return reply.body ?? {};
  };

  /** Logs in or registers. */
  const begin = (path: string, fields: Answer, mustSignIn: boolean): Promise<Answer> =>
    alone(async () => {
      const since = now();
      const { i, t } = await store.read();
      const token = inBody && profile.loginTakesToken && mustSignIn && t;
      const body = { ...(!inBody && profile.cookie), ...(token && { [answer.refresh]: t }), ...fields };
      const reply = await send(path, { body, headers: { 'Sprag-Instance': i } });
      const answered = given(reply);
      if (isGiven(reply, profile)) await enter(answered, since);
      else if (mustSignIn) throw refusalOf(reply, profile);
      return answered;
    });

  /** A call with the access token; refreshed and sent once more on 401. */
  const asUser = async (call: (bearer: string) => Promise<Reply>): Promise<Reply> => {
    let bearer = await accessToken();
    if (!bearer) throw new SpragError('signed_out', 'there is no session; log in first');
    const reply = await call(bearer);
    if (reply.status !== 401) return reply;
    bearer = await refresh(bearer);
    return bearer ? call(bearer) : reply;
  };

  /** Replaces the session by the one that is answered. */
  const replace = async (path: string, fields: Answer): Promise<Answer> => {
    const key = newId();
    let since = now();
    let asked: Kept | undefined;
    const reply = await asUser((bearer) =>
      alone(async () => {
        const kept = (asked = await store.read());
        const body = { ...(inBody && { [answer.refresh]: kept.t }), ...fields };
        const headers = { 'Idempotency-Key': key, 'Sprag-Instance': kept.i, Authorization: `Bearer ${bearer}` };
        since = now();
        const reply = await attempt(() => send(path, { body, headers }));
        if (isGiven(reply, profile)) await enter(reply.body as Answer, since, kept);
        return reply;
      }),
    );
    void asked;
    if (!isGiven(reply, profile)) throw refusalOf(reply, profile);
    return reply.body as Answer;
  };

  const client: Client = {
    session,
    ready: look().then(() => (inBody ? void check() : check()), quiet),
    login: async (fields) => begin(route(routes.login), fields, true),
    register: async (fields) => begin(route(routes.register), fields, false),
    stepUp: async (fields) => replace(route(routes.stepUp), fields),
    changePassword: async (current, next, more) => {
      const [before, after] = profile.passwordFields ?? ['current_password', 'new_password'];
      return replace(route(routes.password), { ...more, [before]: current, [after]: next });
    },
    async adopt(given_) {
      const since = now();
      const isResponse = given_ instanceof Response;
      const status = isResponse ? given_.status : 200;
      const body = (isResponse ? await given_.json().catch(quiet) : given_) as Answer | undefined;
      const reply: Reply = { status, body, retryAfter: undefined };
      if (!isGiven(reply, profile)) throw refusalOf(reply, profile);
      await enter(body as Answer, since);
      return body as Answer;
    },
    async logout() {
      const path = route(routes.logout);
      const kept = await store.read();
      const held = access;
      await leave(() => true, 'logout', 'you signed out');
      if (inBody && !kept.t) return;
      const bearer = async (): Promise<string | undefined> =>
        isGood(held) ? held.token : text((await attempt(() => show_({ ...kept, r: kept.r ?? newId() }))).body, answer.access);
      const token = profile.logoutByAccessToken ? await bearer() : undefined;
      const body = inBody ? { [answer.refresh]: kept.t } : undefined;
      const headers = { 'Sprag-Instance': kept.i, ...(token && { Authorization: `Bearer ${token}` }) };
      const reply = await attempt(() => send(path, { body, headers, keepalive: true }));
      if (isFault(reply) || reply.status === 403) throw refusalOf(reply, profile);
    },
    async logoutEverywhere() {
      const path = route(routes.logoutEverywhere);
      given(await asUser((bearer) => attempt(() => send(path, { headers: { Authorization: `Bearer ${bearer}` } }))));
      await leave(() => true, 'logout_all', 'you signed out on all devices');
    },
    fetch: bearing({ allows: (url) => client.allows(url), accessToken, refresh }, options.fetch ?? platformFetch),
    accessToken,
    refresh,
    allows: (url) => origins.includes(new URL(url, globalThis.location?.href ?? base).origin),
    onSignedOut(listener) {
      const call = (): void => listener(session.current.signedOut as SignedOut);
      session.addEventListener('signedout', call);
      return () => session.removeEventListener('signedout', call);
    },
    close() {
      listening.abort();
      clearTimeout(timer);
      channel?.close();
      channel = undefined;
    },
  };
  listen();
  return client;

  function listen(): void {
    const { signal } = listening;
    const open = (): void => {
      if (channel || typeof BroadcastChannel === 'undefined') return;
      channel = new BroadcastChannel(name);
      (channel as { unref?: () => void }).unref?.();
      channel.onmessage = ({ data }: MessageEvent<Message>) => void hear(data);
    };
    open();
    if (!page) return;
    const on = (target: EventTarget, event: string, listener: (event: Event) => void): void =>
      target.addEventListener(event, listener, { signal });
    const retry = (): void => {
      failures = 0;
      failed = undefined;
      void check();
    };
    on(page, 'visibilitychange', () => void check());
    on(globalThis, 'online', retry);
    on(globalThis, 'storage', (event) => {
      const { key } = event as StorageEvent;
      if (key === name || key === null) void look();
    });
    // A page that is put aside must not hold a channel: browsers would throw it away instead.
    on(globalThis, 'pagehide', () => {
      channel?.close();
      channel = undefined;
    });
    on(globalThis, 'pageshow', () => {
      open();
      void check();
    });
  }
}

function localStorageOf(page: Document | undefined): Storage | undefined {
  try {
    return page && globalThis.localStorage;
  } catch {
    return undefined;
  }
}
