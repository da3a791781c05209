import { errors, type FlattenedJWSInput, type JWSHeaderParameters, jwtVerify } from 'jose';
import { type AnyRequest, bearerOf } from './bearer.js';
import { VerifyError, VerifySetupError } from './errors.js';
import { RemoteKeys } from './keys.js';
import { checkClaims, checkShape, type Claims } from './token.js';

export interface VerifierOptions {
  /** The server's `public-url`, as its tokens have it in `iss`. */
  issuer: string;
  /** The server's `audience`; the issuer unless said otherwise. `false` for a profile whose tokens name none. */
  audience?: string | false;
  /** The server's `signing-algorithm`; exactly one. */
  algorithm?: 'ES256' | 'EdDSA' | 'RS256' | 'HS256';
  /** For HS256 alone: the server's `hs256-secret`, 32 bytes at least. Whoever has it can also mint. */
  secret?: string | Uint8Array;
  /** Where the keys are; `/.well-known/jwks.json` below the issuer unless said otherwise. */
  jwksUrl?: string;
  /** Takes tokens of this profile alone. */
  clientId?: string;
  /** Seconds by which the two clocks may differ; 60 unless said otherwise, 300 at most. */
  leeway?: number;
  /** Milliseconds for fetching the keys. */
  timeout?: number;
  /** Milliseconds between two fetches that tokens with unknown keys may cause. */
  unknownKeyInterval?: number;
  /** Milliseconds for which the last keys are used while the server is away. */
  staleFor?: number;
  /** Milliseconds until a fetch that failed is tried again. */
  retryInterval?: number;
  fetch?: typeof fetch;
  /** The time, for tests. */
  now?: () => Date;
}

export interface Verifier {
  /** The claims of an access token. Throws a {@link VerifyError}. */
  verify(token: string): Promise<Claims>;
  /** The claims of the access token that a request carries. Throws a {@link VerifyError}. */
  request(request: AnyRequest): Promise<Claims>;
  /** Fetches the keys now, so that a wrong address shows at the start. */
  load(): Promise<void>;
  /** Why the keys could not be fetched the last time, if so. */
  readonly lastFailure: unknown;
}

const ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'HS256'];
const MIN_SECRET_BYTES = 32;

/** A verifier of the access tokens of one issuer. Throws a {@link VerifySetupError} where the options contradict themselves. */
export function createVerifier(options: VerifierOptions): Verifier {
  const { issuer, algorithm = 'ES256', audience = issuer, leeway = 60, clientId } = options;
  checkOptions(options, algorithm, leeway);
  const secret = typeof options.secret === 'string' ? new TextEncoder().encode(options.secret) : options.secret;
  const keys = secret ? undefined : remoteKeys(options, algorithm);

  const verify = async (token: string): Promise<Claims> => {
    checkShape(token, keys !== undefined);
    const rules = {
      issuer,
      algorithms: [algorithm],
      typ: 'at+jwt',
      clockTolerance: leeway,
      ...(audience === false ? {} : { audience }),
      ...(options.now ? { currentDate: options.now() } : {}),
    };
    const read = keys
      ? jwtVerify(token, (header: JWSHeaderParameters, jws: FlattenedJWSInput) => keys.find(header, jws), rules)
      : jwtVerify(token, secret as Uint8Array, rules);
    const { payload } = await read.catch((error: unknown) => {
      throw translate(error);
    });
    const claims = checkClaims(payload);
    if (audience === false && claims.aud !== undefined) throw new VerifyError('audience');
    if (clientId !== undefined && claims.client_id !== clientId) throw new VerifyError('claim', { claim: 'client_id' });
    const seconds = (options.now?.() ?? new Date()).getTime() / 1000;
    if (claims.iat > seconds + leeway) throw new VerifyError('not_yet');
    return claims;
  };

  return {
    verify,
    async request(request) {
      const token = bearerOf(request);
      if (token === undefined) throw new VerifyError('missing');
      return verify(token);
    },
    load: async () => keys?.load(),
    get lastFailure() {
      return keys?.lastFailure;
    },
  };
}

function remoteKeys(options: VerifierOptions, algorithm: string): RemoteKeys {
  const jwksUrl = options.jwksUrl ?? `${options.issuer.replace(/\/$/, '')}/.well-known/jwks.json`;
  const { protocol, hostname } = new URL(jwksUrl);
  const isHere = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && isHere)) {
    throw new VerifySetupError(`${jwksUrl} is not https, so that anybody on the way could put keys in; use https`);
  }
  return new RemoteKeys({
    jwksUrl,
    algorithm,
    timeout: options.timeout ?? 5_000,
    unknownKeyInterval: options.unknownKeyInterval ?? 60_000,
    staleFor: options.staleFor ?? 24 * 3_600_000,
    retryInterval: options.retryInterval ?? 10_000,
    fetch: options.fetch ?? ((...args) => globalThis.fetch(...args)),
    monotonic: () => performance.now(),
  });
}

function checkOptions({ issuer, secret, jwksUrl }: VerifierOptions, algorithm: string, leeway: number): void {
  if (!URL.canParse(issuer)) throw new VerifySetupError("issuer must be the server's public-url, with https://");
  if (!ALGORITHMS.includes(algorithm)) {
    throw new VerifySetupError(`algorithm must be one of ${ALGORITHMS.join(', ')}: the server's signing-algorithm`);
  }
  if (!(leeway >= 0 && leeway <= 300)) throw new VerifySetupError('leeway must be 0 to 300 seconds');
  if ((algorithm === 'HS256') !== (secret !== undefined)) {
    throw new VerifySetupError('HS256 takes a secret, and no other algorithm does; set both or neither');
  }
  if (secret === undefined) return;
  if (jwksUrl) throw new VerifySetupError('a shared secret is handed in, never fetched; leave out secret or jwksUrl');
  const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret).length : secret.length;
  if (bytes < MIN_SECRET_BYTES) throw new VerifySetupError(`secret must be ${MIN_SECRET_BYTES} bytes or longer`);
}

/** jose's errors in our words. */
function translate(error: unknown): unknown {
  if (error instanceof VerifyError) return error;
  const because = { cause: error };
  if (error instanceof errors.JWTExpired) return new VerifyError('expired', because);
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    if (claim === 'typ') return new VerifyError('type', because);
    if (claim === 'nbf' && reason === 'check_failed') return new VerifyError('not_yet', because);
    if (claim === 'iss' && reason === 'check_failed') return new VerifyError('issuer', because);
    if (claim === 'aud' && reason === 'check_failed') return new VerifyError('audience', because);
    return new VerifyError('claim', { cause: error, claim });
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return new VerifyError('algorithm', because);
  if (error instanceof errors.JWSSignatureVerificationFailed) return new VerifyError('signature', because);
  if (error instanceof errors.JWSInvalid) return new VerifyError('header', because);
  if (error instanceof errors.JWTInvalid) return new VerifyError('json', because);
  return error instanceof errors.JOSEError ? new VerifyError('header', because) : error;
}
