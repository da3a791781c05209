/** Node leaves although it is there; browsers know no such thing. */
export const unref = <T>(what: T): T => {
  (what as { unref?: () => void }).unref?.();
  return what;
};

export const quiet = (): void => {};

/** So many milliseconds later. */
export const after = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** What the promise gives; rejects before it where the signal says so, or after so many milliseconds. */
export const within = <T>(promise: Promise<T>, signal: AbortSignal | null | undefined, time?: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const stop = (): void => reject(signal?.aborted ? signal.reason : 'timeout');
    const timer = time && setTimeout(stop, time);
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop);
    // No signal may keep what waited for it once.
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    });
  });

/** Undefined where it throws. */
export const attempt = <T>(call: () => T): T | undefined => {
  try {
    return call();
  } catch {
    return undefined;
  }
};

/** What JSON says, as an object whose members may be asked for; undefined where it is no JSON. */
export const parsed = (json: string): Readonly<Record<string, unknown>> | undefined => attempt(() => Object(JSON.parse(json)));
