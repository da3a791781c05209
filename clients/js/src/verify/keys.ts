import { createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters, type FlattenedJWSInput } from 'jose';
import { VerifyError } from './errors.js';

export interface KeySettings {
  jwksUrl: string;
  algorithm: string;
  /** Milliseconds for a whole fetch. */
  timeout: number;
  /** Milliseconds between two fetches that tokens with unknown keys may cause. */
  unknownKeyInterval: number;
  /** Milliseconds for which the last keys are used while the server is away. */
  staleFor: number;
  /** Milliseconds until a fetch that failed is tried again. */
  retryInterval: number;
  fetch: typeof fetch;
  /** Milliseconds that only ever go forward. */
  monotonic: () => number;
}

type FindKey = ReturnType<typeof createLocalJWKSet>;

const DEFAULT_MAX_AGE = 5 * 60_000;
const MIN_MAX_AGE = 30_000;
const MAX_MAX_AGE = 60 * 60_000;
/** How long a request waits for newer keys while there are some that may be used, in milliseconds. */
const PATIENCE = 500;
const MAX_KEY_SET_BYTES = 64 * 1024;

/**
 * The issuer's keys: fetched once for everybody who waits, kept as long as the issuer says, and used on while it cannot be
 * reached. Strangers cannot make it fetch: an unknown key leads to one fetch in `unknownKeyInterval`, a failed fetch to none
 * for `retryInterval`.
 */
export class RemoteKeys {
  #find: FindKey | undefined;
  #fetchedAt = 0;
  #freshUntil = 0;
  #mayFetchForUnknownAt = 0;
  #mayRetryAt = 0;
  #failure: unknown;
  #underWay: Promise<void> | undefined;
  #begunAt = 0;

  constructor(readonly settings: KeySettings) {}

  /** Why the last fetch failed, if it did. */
  get lastFailure(): unknown {
    return this.#failure;
  }

  /** The key that a token names. */
  async find(header: JWSHeaderParameters, token?: FlattenedJWSInput) {
    const find = await this.#current();
    try {
      return await find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw new VerifyError('unknown_key', { cause: error });
    }
    try {
      return await (
        await this.#afterUnknown()
      )(header, token);
    } catch (error) {
      throw error instanceof VerifyError ? error : new VerifyError('unknown_key', { cause: error });
    }
  }

  /** Fetches the keys now, so that a wrong address shows at the start. */
  async load(): Promise<void> {
    await this.#fetchOnce();
    if (this.#failure !== undefined) throw new VerifyError('keys', { cause: this.#failure });
  }

  async #current(): Promise<FindKey> {
    const now = this.settings.monotonic();
    if (this.#find && now < this.#freshUntil) return this.#find;
    const isUsable = (): boolean => this.settings.monotonic() - this.#fetchedAt < this.settings.staleFor;
    if (now >= this.#mayRetryAt) {
      const fetched = this.#fetchOnce();
      // A server that hangs must not stall whoever has usable keys; one that answers tells of a key that was retired.
      if (this.#find && isUsable()) await atMost(this.#begunAt + PATIENCE - now, fetched);
      else await fetched;
    }
    if (this.#find && isUsable()) return this.#find;
    throw new VerifyError('keys', { cause: this.#failure });
  }

  async #afterUnknown(): Promise<FindKey> {
    const now = this.settings.monotonic();
    if (this.#underWay) await this.#underWay;
    else if (now >= this.#mayFetchForUnknownAt && now >= this.#mayRetryAt) {
      this.#mayFetchForUnknownAt = now + this.settings.unknownKeyInterval;
      await this.#fetchOnce();
    }
    return this.#find as FindKey;
  }

  #fetchOnce(): Promise<void> {
    if (!this.#underWay) {
      this.#begunAt = this.settings.monotonic();
      this.#underWay = this.#fetch().finally(() => {
        this.#underWay = undefined;
      });
    }
    return this.#underWay;
  }

  async #fetch(): Promise<void> {
    const { jwksUrl, timeout, algorithm, monotonic } = this.settings;
    try {
      // A redirect could lead to keys of somebody else's.
      const answer = await this.settings.fetch(jwksUrl, { redirect: 'error', signal: AbortSignal.timeout(timeout) });
      if (answer.status !== 200) throw new Error(`${jwksUrl} answered ${answer.status}`);
      const text = await limitedText(answer, jwksUrl);
      const keys = readKeys(JSON.parse(text), algorithm, jwksUrl);
      const now = monotonic();
      this.#find = createLocalJWKSet(keys);
      this.#fetchedAt = now;
      this.#freshUntil = now + maxAge(answer.headers.get('cache-control'));
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error ?? new Error('the fetch failed');
      this.#mayRetryAt = monotonic() + this.settings.retryInterval;
    }
  }
}

/** Waits for it, but no longer than so many milliseconds. */
async function atMost(milliseconds: number, promise: Promise<void>): Promise<void> {
  if (milliseconds <= 0) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function limitedText(answer: Response, url: string): Promise<string> {
  const decoder = new TextDecoder();
  let [text, size] = ['', 0];
  const reader = answer.body?.getReader();
  for (let part = await reader?.read(); reader && part && !part.done; part = await reader.read()) {
    size += part.value.byteLength;
    if (size > MAX_KEY_SET_BYTES) {
      await reader.cancel();
      throw new Error(`${url} answers with more than ${MAX_KEY_SET_BYTES} bytes; that is no key set`);
    }
    text += decoder.decode(part.value, { stream: true });
  }
  return text + decoder.decode();
}

function readKeys(body: unknown, algorithm: string, url: string): JSONWebKeySet {
  const keys = (body as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys)) throw new Error(`${url} is no key set; set jwksUrl to the server's /.well-known/jwks.json`);
  if (keys.some((key) => key?.kty === 'oct' || key?.d !== undefined)) {
    throw new Error(`${url} publishes a secret key; retire that key at once`);
  }
  const ours = keys.filter((key) => key?.alg === algorithm && typeof key.kid === 'string');
  if (ours.length === 0) throw new Error(`${url} has no key for ${algorithm}; set algorithm to the server's`);
  return { keys: ours };
}

/** How long the issuer says that keys are good, in milliseconds, within bounds. */
function maxAge(cacheControl: string | null): number {
  const seconds = /(?:^|,)\s*max-age=(\d{1,9})/i.exec(cacheControl ?? '')?.[1];
  const said = seconds === undefined ? DEFAULT_MAX_AGE : Number(seconds) * 1000;
  return Math.min(Math.max(said, MIN_MAX_AGE), MAX_MAX_AGE);
}
