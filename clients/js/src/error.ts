import type { ErrorCode } from './types.js';

/**
 * Whatever this client rejects with. Only `fetch` passes on what the platform's rejects with, where an API cannot be reached or
 * one's own signal aborts.
 */
export class SpragError extends Error {
  /** Stays the same from release to release. */
  declare readonly code: ErrorCode;
  /** The answer's status; 0 where there was none. */
  declare readonly status: number;
  /** In how many seconds the server wants to be asked again, a day at most; 0 where it did not say. */
  declare readonly retryAfter: number;
  /** The answer's body, where it was JSON. */
  declare readonly body: unknown;

  constructor(code: ErrorCode, message: string, status = 0, body?: unknown, retryAfter = 0) {
    super(message);
    Object.assign(this, { name: 'SpragError', code, status, body, retryAfter });
  }
}
