import type { SessionSnapshot } from '../types.js';

/** What a page may have the worker do. Whatever gives a token is not among them. */
export const CALLS = ['login', 'register', 'logout', 'logoutEverywhere', 'changePassword', 'stepUp'] as const;

export type Call = (typeof CALLS)[number];

/** A page to its worker. */
export type Asked = { sprag: 'hello' } | { sprag: Call; args: readonly unknown[] };

/** The worker to a page, over the port that came with the question. */
export type Told =
  | { value: unknown; session: SessionSnapshot }
  | { error: { code: string; message: string; status: number; retryAfter: number | undefined; body: unknown } };

/** The worker to all pages. */
export interface News {
  spragSession: SessionSnapshot;
}
