/** Node leaves although it is there; browsers know no such thing. */
export const unref = <T>(what: T): T => {
  (what as { unref?: () => void }).unref?.();
  return what;
};

export const quiet = (): void => {};

/** So many milliseconds later. */
export const after = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** Undefined where it throws. */
export const attempt = <T>(call: () => T): T | undefined => {
  try {
    return call();
  } catch {
    return undefined;
  }
};
