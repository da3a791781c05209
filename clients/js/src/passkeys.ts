/**
 * Passkeys: add one, log in with one, show one as a second factor or to step up.
 *
 * The browser asks its user, and the server knows what was asked; between them this turns JSON into what browsers take, and back.
 *
 * @module
 */
import { attempt } from './after.js';
import { SpragError } from './error.js';
import { sprag } from './profiles.js';
import type { Answer, Client, RefusalFacts } from './types.js';
import { here, judged, text, unreachable } from './wire.js';

/** The calls about passkeys, as paths that begin with a slash; all of them are `POST`. */
export interface PasskeyRoutes {
  /** What a browser needs to make one. */
  readonly addOptions: string;
  readonly add: string;
  /** What a browser needs to show one. */
  readonly options: string;
  /** Logs in with one. */
  readonly login: string;
  /** Goes on with a log-in that waits for a second factor. */
  readonly factor: string;
}

export interface PasskeyOptions {
  /** Where the server is: the `url` that the client has. */
  readonly url: string;
  /** Where its calls are; those of Sprag's own profile unless said otherwise. */
  readonly routes?: Partial<PasskeyRoutes>;
  /** What its refusals look like; as in Sprag's own profile unless said otherwise. */
  readonly refusal?: RefusalFacts;
  /** What requests without a token are sent with; the platform's `fetch` unless said otherwise. */
  readonly fetch?: typeof globalThis.fetch;
}

/** What a log-in needs next. */
export interface Needed {
  /** What goes on with it. */
  readonly token: string;
  /**
   * What may be shown, in the order in which it is to be offered: `passkey`, `totp`, `recovery_code`; where one is to be added,
   * `mailed_code` if a letter was sent whose code is to be shown before.
   */
  readonly factors: readonly string[];
  /** For how many seconds it can be gone on with. */
  readonly expiresIn: number;
  /** Whether the account must have a second factor and has none: one is to be added. */
  readonly isEnrolment: boolean;
}

export interface Passkeys {
  /** Whether this browser has passkeys at all, on this page. */
  readonly isSupported: boolean;
  /** Whether it offers them where a name is typed (conditional UI). */
  canOffer(): Promise<boolean>;
  /**
   * Makes a passkey for whoever is logged in, and adds it to their account. They must have shown who they are a moment ago, else
   * it rejects with `step_up_required`. The answer has `recovery_codes` at the account's first factor.
   */
  add(label?: string): Promise<Answer>;
  /** Has the user choose one of their passkeys, and logs in with it, without a name or a password. */
  logIn(fields?: Answer): Promise<Answer>;
  /**
   * Has the browser offer passkeys where a name is typed, in a field with `autocomplete="username webauthn"`, for as long as the
   * page is there; resolves once somebody has chosen one and is logged in. Undefined where the browser cannot, where `signal` or
   * another call here stopped it: a browser does one of these at a time.
   */
  offer(options?: { readonly signal?: AbortSignal; readonly fields?: Answer }): Promise<Answer | undefined>;
  /** Goes on with a log-in that waits for a second factor, by a passkey. */
  secondFactor(needed: Needed, fields?: Answer): Promise<Answer>;
  /**
   * Goes on with a log-in whose account must have a second factor and has none: makes a passkey and adds it. `code` is that of the
   * letter, where `needed.factors` has `mailed_code`. The answer has `recovery_codes`.
   */
  enrol(
    needed: Needed,
    options?: { readonly code?: string; readonly label?: string; readonly fields?: Answer },
  ): Promise<Answer>;
  /** Shows with a passkey once more who uses the session. */
  stepUp(): Promise<Answer>;
}

const ROUTES: PasskeyRoutes = {
  addOptions: '/api/v1/auth/factors/passkey/options',
  add: '/api/v1/auth/factors/passkey',
  options: '/api/v1/auth/login/passkey/options',
  login: '/api/v1/auth/login/passkey',
  factor: '/api/v1/auth/login/factor',
};

/** After how long another challenge is asked for while one is on offer: the server's is good for five minutes. */
const FRESH = 240_000;

/** What a log-in needs next that was rejected; undefined where it was rejected for another reason. */
export function needed(error: unknown): Needed | undefined {
  const { code, body } = error as Partial<SpragError>;
  // Profiles whose refusals are told apart by their messages name these all the same.
  const isSaid = (name: string): boolean => code === name || text(body, 'code') === name;
  const isEnrolment = isSaid('enrolment_required');
  const token = isEnrolment || isSaid('second_factor_required') ? text(body, 'mfa_token') : undefined;
  if (!token) return undefined;
  const { factors, expires_in } = body as { readonly factors?: unknown; readonly expires_in?: unknown };
  const told = Array.isArray(factors) ? factors.map(String) : [];
  return { token, factors: told, expiresIn: Number(expires_in) || 0, isEnrolment };
}

/** Passkeys for a client's user. */
export function createPasskeys(client: Client, options: PasskeyOptions): Passkeys {
  const routes = { ...ROUTES, ...options.routes };
  const refusal = options.refusal ?? sprag.refusal;
  const plain: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  /** Stops what the browser offers: it shows one thing at a time. */
  let offered = new AbortController();

  /** Asks the server: with the access token of who is logged in, or as nobody. */
  const ask = async (path: string, body: Answer, isOwn: boolean): Promise<Answer> => {
    const init: RequestInit = {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      cache: 'no-store',
    };
    const url = new URL(options.url.replace(/\/+$/, '') + path, here()).href;
    const answered = isOwn ? client.fetch(url, init) : plain(url, { ...init, credentials: 'omit' });
    const response = await answered.catch((error: unknown) => {
      throw error instanceof SpragError ? error : unreachable(error);
    });
    return judged(response, await response.text(), refusal);
  };

  /** Has the browser show a passkey for these options, and gives it as JSON. */
  const shown = async (asked: Answer, more?: CredentialRequestOptions): Promise<Answer> => {
    const { challenge, allowCredentials = [], ...rest } = publicKeyOf(asked);
    const publicKey = { ...rest, challenge: bytes(challenge), allowCredentials: listed(allowCredentials) };
    const made = await navigator.credentials.get({ ...more, publicKey } as unknown as CredentialRequestOptions);
    return written(made);
  };

  const stop = (): void => {
    offered.abort();
    offered = new AbortController();
  };

  const offer: Passkeys['offer'] = async ({ signal, fields } = {}) => {
    if (!(await canOffer())) return undefined;
    stop();
    const own = offered.signal;
    const isOver = (): boolean => own.aborted || !!signal?.aborted;
    while (!isOver()) {
      const asked = await ask(routes.options, {}, false);
      const round = new AbortController();
      const end = (): void => round.abort();
      for (const each of [own, signal]) each?.addEventListener('abort', end);
      const timer = setTimeout(end, FRESH);
      try {
        if (isOver()) return undefined;
        const credential = await shown(asked, { mediation: 'conditional', signal: round.signal });
        return await client.enter(routes.login, { ...fields, credential });
      } catch (error) {
        // Aborted, to go on with another challenge or not at all. Whatever else it is, the page has to know.
        if (!round.signal.aborted) throw error;
      } finally {
        clearTimeout(timer);
        for (const each of [own, signal]) each?.removeEventListener('abort', end);
      }
    }
    return undefined;
  };

  return {
    isSupported: isSupported(),
    canOffer,
    offer,
    async add(label) {
      stop();
      const credential = await made(await ask(routes.addOptions, {}, true));
      return ask(routes.add, { credential, ...(label && { label }) }, true);
    },
    async enrol({ token }, { code, label, fields } = {}) {
      stop();
      const credential = await made(await ask(routes.addOptions, { mfa_token: token, ...(code && { code }) }, false));
      return client.enter(routes.add, { ...fields, mfa_token: token, credential, ...(label && { label }) });
    },
    async logIn(fields) {
      stop();
      return client.enter(routes.login, { ...fields, credential: await shown(await ask(routes.options, {}, false)) });
    },
    async secondFactor({ token }, fields) {
      stop();
      const credential = await shown(await ask(routes.options, { mfa_token: token }, false));
      return client.enter(routes.factor, { ...fields, mfa_token: token, credential });
    },
    async stepUp() {
      stop();
      return client.stepUp({ credential: await shown(await ask(routes.options, {}, true)) });
    },
  };
}

const isSupported = (): boolean => typeof PublicKeyCredential === 'function' && !!globalThis.navigator?.credentials;

const canOffer = async (): Promise<boolean> =>
  isSupported() && !!(await attempt(() => PublicKeyCredential.isConditionalMediationAvailable?.()));

/** Has the browser make a passkey for these options, and gives it as JSON. */
const made = async (asked: Answer): Promise<Answer> => {
  const { challenge, user, excludeCredentials = [], ...rest } = publicKeyOf(asked);
  const publicKey = {
    ...rest,
    challenge: bytes(challenge),
    user: { ...(user as object), id: bytes((user as Answer)['id']) },
    excludeCredentials: listed(excludeCredentials),
  };
  return written(await navigator.credentials.create({ publicKey } as unknown as CredentialCreationOptions));
};

const publicKeyOf = (asked: Answer): Answer & { challenge?: unknown } => (asked['publicKey'] ?? {}) as Answer;

/** Bytes of base64url, without padding. */
const bytes = (coded: unknown): Uint8Array<ArrayBuffer> => {
  const binary = atob(String(coded).replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(binary, (each) => each.charCodeAt(0));
};

const coded = (buffer: ArrayBuffer | null | undefined): string | undefined =>
  buffer
    ? btoa(Array.from(new Uint8Array(buffer), (each) => String.fromCharCode(each)).join(''))
        .replace(/\+/g, '-')
        .replace(/\//g, '_')
        .replace(/=/g, '')
    : undefined;

/** Which passkeys may be shown, or may not be made again. */
const listed = (credentials: unknown): readonly unknown[] =>
  (credentials as readonly Answer[]).map((each) => ({ ...each, id: bytes(each['id']) }));

/**
 * A credential as JSON. Not by its own `toJSON`: password managers hand out credentials that have none.
 */
function written(made: Credential | null): Answer {
  if (!made) throw new SpragError('refused', 'The browser gave no passkey');
  const { id, rawId, type, authenticatorAttachment, response } = made as PublicKeyCredential;
  const { clientDataJSON, attestationObject, authenticatorData, signature, userHandle } =
    response as AuthenticatorAttestationResponse & AuthenticatorAssertionResponse;
  const facts = attestationObject
    ? {
        attestationObject: coded(attestationObject),
        transports: (response as AuthenticatorAttestationResponse).getTransports?.() ?? [],
      }
    : { authenticatorData: coded(authenticatorData), signature: coded(signature), userHandle: coded(userHandle) };
  return {
    id,
    rawId: coded(rawId),
    type,
    ...(authenticatorAttachment && { authenticatorAttachment }),
    response: { clientDataJSON: coded(clientDataJSON), ...facts },
    clientExtensionResults: {},
  };
}
