/**
 * Where retry ids are kept between a refresh and the moment when the browser shows that it has the answer.
 *
 * With `createServer({ secret })` none is needed. Without a secret one process has a memory of its own, until it ends; several
 * that serve the same people share one, such as Redis (`SET key id NX EX seconds`, then `GET`), or an answer that was lost could
 * be asked for at another process under another id. It may fail, or be slow: then the process' own serves. It holds an entry
 * for each refresh whose successor is shown to another process, until its seconds are over.
 */
export interface RetryMemory {
  /** Keeps an id for this key unless there is one, and gives the one that stands. */
  claim(key: string, id: string, seconds: number): string | Promise<string>;
  /** The answer arrived. */
  forget(key: string): unknown;
}

const MAX_ENTRIES = 10_000;

/** A bounded memory in this process: who was not seen for longest gives way. */
export function processMemory(): RetryMemory {
  const ids = new Recent<string>(MAX_ENTRIES);
  return {
    claim(key, id, seconds) {
      const known = ids.get(key);
      if (known !== undefined) return known;
      ids.set(key, id, seconds * 1000);
      return id;
    },
    forget: (key) => ids.delete(key),
  };
}

/** A map of things that are over after a time, or when there are too many. */
export class Recent<Value> {
  readonly #entries = new Map<string, { value: Value; until: number }>();

  constructor(readonly limit: number) {}

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.until <= performance.now()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: Value, milliseconds: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: performance.now() + milliseconds });
    const oldest = this.#entries.keys().next();
    if (this.#entries.size > this.limit && !oldest.done) this.#entries.delete(oldest.value);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
