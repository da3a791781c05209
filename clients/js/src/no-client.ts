import { SpragError } from './error.js';

/** Nobody handed a client in: a fault of the program's own, with a `code` as every other error. */
export const noClient = (how: string): SpragError =>
  new SpragError('no_client', `no client is known here; ${how}, or hand the client in`);
