/** Node leaves although it is there; browsers know no such thing. */
export const unref = <T>(what: T): T => {
  (what as { unref?: () => void }).unref?.();
  return what;
};

export const quiet = (): void => {};

/** So many milliseconds later; unless `mind` is `quiet`, that is no reason for Node to stay. */
export const after = (time: number, mind: (timer: unknown) => unknown = unref): Promise<void> =>
  new Promise((resolve) => {
    mind(setTimeout(resolve, time));
  });
