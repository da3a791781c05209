import { SpragError } from '../error.js';
import { processMemory, Recent, type RetryMemory } from './memory.js';
import { call, type Answered, type Caller, isEnd, type Wire, withToken } from './wire.js';

/** Requests that were on their way with the same cookie get the same answer for this long. */
const ANSWER_SERVES = 10_000;
/** A session that is over is asked for again only after this long. */
const END_SERVES = 60_000;
/** A retry id is kept as long as somebody may come back after an answer that was lost. */
const RETRY_ID_SECONDS = 30 * 86_400;
const MAX_ANSWERS = 10_000;

/** What a refresh token came to: what was answered, or why the session is over. */
export type Outcome = { answered: Answered; ended?: undefined } | { answered?: undefined; ended: SpragError };

/** What bundles of one process share: frameworks load a module several times, for middleware, pages and handlers. */
interface Shared {
  memory: RetryMemory;
  outcomes: Recent<Outcome>;
  underWay: Map<string, Promise<Outcome>>;
  /** By the successor's key, the key of the token before: who shows the one has the answer to the other. */
  before: Recent<string>;
}

const SHARED = Symbol.for('sprag-client/server 1');

/**
 * Refreshes each token once, however many requests and components ask at one moment.
 *
 * The retry id of a token is kept until its successor is seen. An answer that never reached the browser, since its request was
 * aborted, is asked for again under the same id, however late, and the server knows it for the same request.
 */
export class Refresher {
  readonly #wire: Wire;
  readonly #shared: Shared;
  readonly #memory: RetryMemory;

  constructor(wire: Wire, memory?: RetryMemory) {
    this.#wire = wire;
    const place = globalThis as { [SHARED]?: Shared };
    place[SHARED] ??= {
      memory: processMemory(),
      outcomes: new Recent(MAX_ANSWERS),
      underWay: new Map(),
      before: new Recent(MAX_ANSWERS),
    };
    this.#shared = place[SHARED];
    this.#memory = memory ?? this.#shared.memory;
  }

  /** The browser showed this token: what was answered with it has arrived. */
  async seen(token: string, caller: Caller): Promise<void> {
    const key = await this.#keyOf(token, caller);
    const before = this.#shared.before.get(key);
    if (before === undefined) return;
    this.#shared.before.delete(key);
    await this.#memory.forget(before);
  }

  /** Rejects with a `SpragError` where nobody can say: then the session stays. */
  async refresh(token: string, caller: Caller): Promise<Outcome> {
    const key = await this.#keyOf(token, caller);
    const { outcomes, underWay } = this.#shared;
    const known = outcomes.get(key);
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
    const id = await this.#memory.claim(key, crypto.randomUUID(), RETRY_ID_SECONDS);
    let outcome: Outcome;
    try {
      const headers = { 'idempotency-key': id };
      const answered = await call(this.#wire, profile.routes.refresh, withToken(profile, token), caller, headers);
      if (!answered.tokens)
        throw new SpragError('unreachable', "the answer has no tokens; see that profile is the server's");
      outcome = { answered };
      const next = await this.#keyOf(answered.tokens.refresh, caller);
      if (next !== key) this.#shared.before.set(next, key, RETRY_ID_SECONDS * 1000);
    } catch (error) {
      if (!isEnd(profile, error)) throw error;
      outcome = { ended: error as SpragError };
      // Whoever sends what opens nothing takes no one's place in the memory.
      await this.#memory.forget(key);
    }
    this.#shared.outcomes.set(key, outcome, outcome.ended ? END_SERVES : ANSWER_SERVES);
    return outcome;
  }

  /** Of a token and who shows it: whoever took a token elsewhere is asked about by itself, for the server to judge. */
  async #keyOf(token: string, { instance, isMarked, userAgent }: Caller): Promise<string> {
    const text = [this.#wire.url, token, isMarked ? instance : (userAgent ?? '')].join('\n');
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
    return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
  }
}
