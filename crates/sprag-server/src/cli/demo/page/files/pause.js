/** Resolves after so many milliseconds. */
export const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
