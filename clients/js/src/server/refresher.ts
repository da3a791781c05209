import { SpragError } from '../error.js';
import { processMemory, Recent, type RetryMemory } from './memory.js';
import { hashed, signed } from './marks.js';
import { call, type Answered, type Caller, isEnd, type Wire, withToken } from './wire.js';

/** Requests that were on their way with the same cookie get the same answer for this long. */
const ANSWER_SERVES = 10_000;
/** A session that is over is asked for again only after this long. */
const END_SERVES = 60_000;
/** A server that wants to be left alone is, for as long as it says, but not longer than a page's client would wait. */
const FAILURE_SERVES = 12_000;
/** A retry id is kept as long as somebody may come back after an answer that was lost. */
const RETRY_ID_SECONDS = 30 * 86_400;
const MAX_ANSWERS = 10_000;
/** How long a memory of the app's own may take, in milliseconds; then this process' serves. */
const MEMORY_WAIT = 2_000;

/** What a refresh token came to: what was answered and under which id to refresh next, or why the session is over. */
export type Outcome =
  | { answered: Answered; nextId: string; ended?: undefined }
  | { answered?: undefined; nextId?: undefined; ended: SpragError };

/** What a refresh token's last refresh came to, or why nobody could say, while the server wants not to be asked again. */
type Known = Outcome | { failed: SpragError };

/** What bundles of one process share: frameworks load a module several times, for middleware, pages and handlers. */
interface Shared {
  memory: RetryMemory;
  outcomes: Recent<Known>;
  underWay: Map<string, Promise<Outcome>>;
  /** By the successor's key, the key of the token before: who shows the one has the answer to the other. */
  before: Recent<string>;
  /** Keys of tokens whose successor was seen: who shows one of them again is not who had the answer. */
  spent: Recent<true>;
}

const SHARED = Symbol.for('sprag-client/server 4');

/**
 * Refreshes each token once, however many requests and components ask at one moment.
 *
 * The retry id of a token stays the same until its successor is seen. An answer that never reached the browser, since its
 * request was aborted, is asked for again under the same id, however late, and the server knows it for the same request. With a
 * secret every process of the app makes the same id by itself; without one it is kept in a memory.
 */
export class Refresher {
  readonly #wire: Wire;
  readonly #shared: Shared;
  readonly #memory: RetryMemory | undefined;
  readonly #secret: string | undefined;

  constructor(wire: Wire, memory?: RetryMemory, secret?: string) {
    this.#wire = wire;
    this.#secret = secret;
    const place = globalThis as { [SHARED]?: Shared };
    place[SHARED] ??= {
      memory: processMemory(),
      outcomes: new Recent(MAX_ANSWERS),
      underWay: new Map(),
      before: new Recent(MAX_ANSWERS),
      spent: new Recent(MAX_ANSWERS),
    };
    this.#shared = place[SHARED];
    this.#memory = memory;
  }

  /** The browser showed this token: what was answered with it has arrived. Never rejects. */
  async seen(token: string, caller: Caller): Promise<void> {
    const key = await this.#keyOf(token, caller);
    const before = this.#shared.before.get(key);
    if (before === undefined) return;
    this.#shared.before.delete(key);
    this.#shared.spent.set(before, true, RETRY_ID_SECONDS * 1000);
    await this.#forget(before);
  }

  /** Rejects with a `SpragError` where nobody can say: then the session stays. */
  async refresh(token: string, caller: Caller): Promise<Outcome> {
    const key = await this.#keyOf(token, caller);
    const { outcomes, underWay } = this.#shared;
    const known = outcomes.get(key);
    if (known && 'failed' in known) throw known.failed;
    if (known) return known;
    let asked = underWay.get(key);
    if (!asked) {
      asked = this.#ask(key, token, caller).finally(() => underWay.delete(key));
      underWay.set(key, asked);
    }
    return asked;
  }

  async #ask(key: string, token: string, caller: Caller): Promise<Outcome> {
    const { profile } = this.#wire;
    const id = await this.retryId(token, caller);
    let outcome: Outcome;
    try {
      const headers = { 'idempotency-key': id };
      const answered = await call(this.#wire, profile.routes.refresh, withToken(profile, token), caller, headers);
      if (!answered.tokens)
        throw new SpragError('unreachable', "the answer has no tokens; see that profile is the server's");
      const next = await this.#keyOf(answered.tokens.refresh, caller);
      outcome = { answered, nextId: await this.#nextId(next) };
      if (next !== key) this.#shared.before.set(next, key, RETRY_ID_SECONDS * 1000);
    } catch (error) {
      if (!isEnd(profile, error)) throw this.#kept(key, error);
      outcome = { ended: error as SpragError };
      // Whoever sends what opens nothing takes no one's place in the memory.
      await this.#forget(key);
    }
    this.#shared.outcomes.set(key, outcome, outcome.ended ? END_SERVES : ANSWER_SERVES);
    return outcome;
  }

  /** Keeps a failure for as long as the server wants not to be asked, so that requests which come meanwhile do not. */
  #kept(key: string, error: unknown): unknown {
    const wait = error instanceof SpragError ? Math.min(error.retryAfter * 1000, FAILURE_SERVES) : 0;
    if (wait > 0) this.#shared.outcomes.set(key, { failed: error as SpragError }, wait);
    return error;
  }

  /** The retry id by which this token is asked about: the one that the browser has, else one of this app's own. */
  async retryId(token: string, caller: Caller): Promise<string> {
    return caller.retryId ?? this.#idOf(await this.#keyOf(token, caller));
  }

  /** The retry id that a new token is to have in the browser. */
  async firstId(token: string, caller: Caller): Promise<string> {
    return this.#nextId(await this.#keyOf(token, caller));
  }

  /** With a secret the one by which any process would ask by itself, in case that the browser's is lost. */
  async #nextId(key: string): Promise<string> {
    return this.#secret === undefined ? crypto.randomUUID() : signed(this.#secret, `sprag retry\n${key}`);
  }

  /** The retry id for this key: the same one in every process, and unknown to whoever has the browser's cookies alone. */
  async #idOf(key: string): Promise<string> {
    const fresh = crypto.randomUUID();
    if (this.#secret === undefined) return this.#claim(key, fresh);
    return this.#shared.spent.get(key) ? fresh : signed(this.#secret, `sprag retry\n${key}`);
  }

  /** Where a memory of the app's own is away, this process' says what it knows: a refresh waits for nobody's database. */
  async #claim(key: string, fresh: string): Promise<string> {
    const here = this.#shared.memory;
    if (!this.#memory) return here.claim(key, fresh, RETRY_ID_SECONDS);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, MEMORY_WAIT, undefined);
    });
    const claimed = (async () => this.#memory?.claim(key, fresh, RETRY_ID_SECONDS))().catch(() => undefined);
    const id = await Promise.race([claimed, late]).finally(() => clearTimeout(timer));
    if (typeof id !== 'string' || id === '') return here.claim(key, fresh, RETRY_ID_SECONDS);
    // Should the memory be away when the answer is asked for again.
    here.forget(key);
    return here.claim(key, id, RETRY_ID_SECONDS);
  }

  /** A memory that fails keeps what it has; nothing of a request hangs on it. */
  async #forget(key: string): Promise<void> {
    this.#shared.memory.forget(key);
    try {
      await this.#memory?.forget(key);
    } catch {
      // The id ends with its time.
    }
  }

  /** Of a token and who shows it: whoever took a token elsewhere is asked about by itself, for the server to judge. */
  async #keyOf(token: string, { instance, isMarked, userAgent }: Caller): Promise<string> {
    return hashed([this.#wire.url, token, isMarked ? instance : (userAgent ?? '')].join('\n'));
  }
}
