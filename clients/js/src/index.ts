export { besideServer } from './beside.js';
export { createClient } from './client.js';
export { SpragError } from './error.js';
export * from './profiles.js';
export { readToken } from './token.js';
export type * from './types.js';
