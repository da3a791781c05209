/**
 * Apps that make their pages on a server: Express, Next.js, SvelteKit and others. Cookies in, cookies out.
 *
 * The browser has both tokens in cookies that no script can read. A session refreshes once for each incoming request, and only
 * where cookies can be written.
 *
 * @module
 */
export { SpragError } from './error.js';
export * from './profiles.js';
export type { CookieAttributes, CookieJar } from './server/cookies.js';
export {
  type CookieStore,
  createServer,
  type HeaderSource,
  type IncomingRequest,
  type NodeRequest,
  type NodeResponse,
  type Server,
  type ServerOptions,
  type WebSession,
} from './server/create.js';
export type { RetryMemory } from './server/memory.js';
export type { ServerSession } from './server/session.js';
