/** How the refresh token travels: in a cookie that no script can read, or in bodies and a storage of the page's. */
export type Mode = 'cookie' | 'body';

/**
 * Where the client keeps what must outlive the page: one text under one key. `localStorage` is one; so is whatever answers
 * with promises, as React Native's `AsyncStorage` (where `EventTarget` and `crypto.getRandomValues` need a polyfill). What
 * throws or hangs is taken for blocked: then memory has to do.
 */
export interface TokenStorage {
  getItem(key: string): string | null | PromiseLike<string | null>;
  setItem(key: string, value: string): unknown;
  removeItem(key: string): unknown;
}

/** What answers carry, by the names of their members. A dot goes deeper: `data.token`. */
export interface AnswerFacts {
  /** The access token. */
  readonly access: string;
  /** The refresh token, in bodies that give one and in bodies that take one. */
  readonly refresh: string;
  /** How many seconds the access token lives; where none is named, the token's own `exp` and `iat` say so. */
  readonly expiresIn?: string;
  /** In how many seconds the server wants to be asked again; where none is named, the client jitters itself. */
  readonly refreshIn?: string;
  /** The session's id. */
  readonly session?: string;
}

/** What a "no" looks like. */
export interface RefusalFacts {
  /** The member with a code that stays the same, where there is one. */
  readonly code?: string;
  /** The member with why a session has ended, where there is one. */
  readonly cause?: string;
  /** The member with a sentence for people. */
  readonly message: string;
  /**
   * What a 401 to a refresh says when the session is over: its code or, where there is none, how its sentence begins.
   * Nothing else makes the client forget a token.
   */
  readonly ended: readonly string[];
  /**
   * What a 401 says when the token is none of this server's: the user has to log in, but the token is kept and tried again at
   * the next start, for it may be the server that has the wrong keys.
   */
  readonly unknown: readonly string[];
}

/** The calls, as paths that begin with a slash; all of them are `POST`. */
export interface Routes {
  readonly login: string;
  readonly refresh: string;
  readonly logout?: string;
  readonly logoutEverywhere?: string;
  readonly register?: string;
  readonly password?: string;
  readonly stepUp?: string;
}

/** One server's way of speaking, as data: the same facts as in its profile's TOML file. */
export interface Profile {
  readonly routes: Routes;
  readonly answer: AnswerFacts;
  readonly refusal: RefusalFacts;
  /** What a log-in adds in cookie mode (`{ transport: "cookie" }`); absent where the profile has no cookie mode. */
  readonly cookie?: Readonly<Record<string, string>>;
  /** Whether `logout` shows the access token instead of the refresh token. */
  readonly logoutByAccessToken?: boolean;
  /** Whether `register` answers with tokens, so that who registers is logged in. */
  readonly registerSignsIn?: boolean;
  /** Whether a log-in may bring the refresh token that the device has: its budget of failed log-ins is the device's then. */
  readonly loginTakesToken?: boolean;
  /** The names that a password change has for the password of before and the new one. */
  readonly passwordFields?: readonly [current: string, next: string];
}

export interface ClientOptions {
  /** Where the server is, as `https://auth.example.com`; `''` for the page's own origin. */
  readonly url: string;
  /** How it speaks; Sprag's own profile unless said otherwise. */
  readonly profile?: Profile;
  readonly mode: Mode;
  /**
   * `localStorage` unless said otherwise; memory where there is none or it is blocked. With `sessionStorage` tabs are apart;
   * where each has a storage of its own in another way, give each a `name` of its own.
   */
  readonly storage?: TokenStorage;
  /** What requests are sent with; the platform's `fetch` unless said otherwise. */
  readonly fetch?: typeof globalThis.fetch;
  /** Origins beside the server's own that `client.fetch` may show the access token to, as `https://api.example.com`. */
  readonly origins?: readonly string[];
  /** The key in the storage and the channel's name; two clients on one origin need two. `sprag` unless said otherwise. */
  readonly name?: string;
  /** The storage's key under which the front end of before kept a bare refresh token: it is taken over once. */
  readonly importFrom?: string;
  /** Whether to refresh ahead of expiry while nobody asks; on unless said otherwise. Servers and workers turn it off. */
  readonly ahead?: boolean;
  /** Headers for each request to the server (not those of `client.fetch`): a caller's user agent, a device cookie. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How `fetch` treats cookies on requests to the server; `include` in cookie mode and `omit` in body mode by itself. */
  readonly credentials?: RequestCredentials;
}

/**
 * - `unknown`: the storage has not answered yet, or in cookie mode nobody has asked the server yet;
 * - `signed-in`: there is a session as far as anybody has said, also while the server cannot be reached;
 * - `signed-out`: there is none.
 */
export type SessionState = 'unknown' | 'signed-in' | 'signed-out';

/** One moment of the session. Never changed: another moment is another object, so it serves `useSyncExternalStore`. */
export interface SessionSnapshot {
  readonly state: SessionState;
  /** The session's id, where the answer, the token or the access token names it. */
  readonly id?: string | undefined;
  /** What the access token says, unverified: for display, never for deciding what somebody may do. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** Why there is none any more, once it was ended. */
  readonly signedOut?: SignedOut | undefined;
}

/** Why a session is over. */
export interface SignedOut {
  /**
   * A cause of the server's (`logout`, `logout_all`, `revoked`, `reuse`, `idle`, `expired`, `password_changed`, `disabled`,
   * `admin`, `replaced`, `lockstep`, `ahead`), or where it tells none its code or sentence; `logout` where this client did it.
   */
  readonly cause: string;
  /** The server's sentence. */
  readonly detail: string;
}

/** The session as it lives. It dispatches `change` whenever `current` is another snapshot, and `signedout` with its end. */
export interface Session extends EventTarget {
  readonly current: SessionSnapshot;
  readonly state: SessionState;
}

/** What an action answered: the body as it came, with whatever the profile gives beside tokens (`user`). */
export type Answer = Readonly<Record<string, unknown>>;

export interface Client {
  readonly session: Session;
  /**
   * Settles once the state is known: the storage was read, or in cookie mode the server asked. It stays `unknown` where the
   * server did not answer, and where there is neither a document nor a location: what makes pages asks for nobody. Never
   * rejects.
   */
  readonly ready: Promise<void>;
  /**
   * Logs in with the fields that the profile takes: `{ username, password }`. Where more than a password is needed it rejects
   * (`second_factor_required`), and the error's `body` says what the server wants next: hand that to `enter`.
   */
  login(fields: Readonly<Record<string, unknown>>): Promise<Answer>;
  /**
   * Logs in by a call of the server's that has no method here: the second step of a log-in, a passkey, a code. The same care is
   * taken as at `login`: one at a time in all tabs, and where no tokens are answered nothing changes.
   */
  enter(path: string, fields: Readonly<Record<string, unknown>>): Promise<Answer>;
  /** Registers; signs in where the profile answers with tokens. */
  register(fields: Readonly<Record<string, unknown>>): Promise<Answer>;
  /**
   * Forgets the session here and in every tab at once, then has the server end it; rejects where it could not be told. In
   * cookie mode it is told later then, unless a log-in takes its place.
   */
  logout(): Promise<void>;
  /** Has the server end every session of the account, and forgets this one once it did. */
  logoutEverywhere(): Promise<void>;
  /** Changes the password; the session that asked goes on as a new one. */
  changePassword(current: string, next: string, more?: Readonly<Record<string, unknown>>): Promise<Answer>;
  /** Shows once more who uses the session: `{ password }`, `{ code }`, `{ credential }`. */
  stepUp(fields: Readonly<Record<string, unknown>>): Promise<Answer>;
  /**
   * Takes the tokens of an answer that came without this client: from a service worker, in a page that was made with them. An
   * answer that is none (`ok` false, no JSON, no access token) rejects and changes nothing.
   */
  adopt(answer: Response | Answer): Promise<Answer>;
  /**
   * As the platform's, with the access token for the allowed origins; refreshes ahead of expiry and on 401, and then repeats
   * the request once. Where there is no session it sends as is. Rejects with `SpragError` where a token is needed and none
   * can be had just now, and as the platform's does where the address itself cannot be reached; a 401 that stays one is given
   * as is.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** An access token that is good for a moment, refreshed if need be; undefined where there is no session. */
  accessToken(): Promise<string | undefined>;
  /**
   * A new access token: whoever asks while a refresh is under way gets its outcome. `refused` is the access token that an
   * API answered 401: if another one is there already, that one is given. Undefined where there is no session (any more).
   */
  refresh(refused?: string): Promise<string | undefined>;
  /** Whether the access token may be shown to this address. */
  allows(url: string | URL): boolean;
  /** Calls back each time a session that was there has ended, in whichever tab. Returns what stops it. */
  onSignedOut(listener: (why: SignedOut) => void): () => void;
  /** Stops timers and listeners; what is stored stays. */
  close(): void;
}

/** A refresh token's facts that a client may read; undefined for one of another system. */
export interface TokenFacts {
  readonly session: string;
  readonly generation: number;
}

/**
 * Codes of this client's own; every other code is the server's (docs/reference/errors.md):
 * - `unreachable`: no answer, or none of the server's (offline, timeout, captive portal); the session stays;
 * - `refused`: an answer without a code of its own; `status` and `message` have what it said;
 * - `not_offered`: the profile has no such call;
 * - `signed_out`: what was asked for takes a session.
 */
export type ErrorCode = 'unreachable' | 'refused' | 'not_offered' | 'signed_out' | (string & {});
