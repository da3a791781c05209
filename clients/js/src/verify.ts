/**
 * An API verifies access tokens: the issuer's published keys, one algorithm, the type, the issuer, the audience.
 *
 * @module
 */
export type { AnyRequest } from './verify/bearer.js';
export { type VerifyCode, VerifyError, type VerifyReason, VerifySetupError } from './verify/errors.js';
export { type Authenticated, expressGuard, fastifyGuard, type GuardOptions, guardRequest } from './verify/servers.js';
export type { Claims } from './verify/token.js';
export { createVerifier, type Verifier, type VerifierOptions } from './verify/verifier.js';
