import { base64url } from 'jose';
import { VerifyError } from './errors.js';

/** What an access token says. What the profile was configured to add is there too. */
export interface Claims {
  iss: string;
  /** The account. */
  sub: string;
  aud?: string;
  /** The session: one log-in on one device. */
  sid: string;
  /** The profile. */
  client_id: string;
  /** Seconds since 1970. */
  iat: number;
  exp: number;
  nbf?: number;
  jti: string;
  /** When, how and how well the user proved who they are, where the token tells. */
  auth_time?: number;
  amr?: string[];
  acr?: string;
  [claim: string]: unknown;
}

const MAX_TOKEN_BYTES = 8 * 1024;

/** Refuses whatever cannot be one of ours before any key is looked for. */
export function checkShape(token: string, hasKid: boolean): void {
  if (token.length > MAX_TOKEN_BYTES) throw new VerifyError('too_long');
  const segments = token.split('.');
  if (segments.length !== 3 || segments.some((segment) => segment === '')) throw new VerifyError('segments');
  const [header, claims] = segments.map(decode) as [Uint8Array, Uint8Array, Uint8Array];
  readObject(claims);
  const members = readObject(header);
  for (const [name, value] of Object.entries(members)) {
    // crit, jku, jwk, x5u and all others: none of ours has them.
    if (!['alg', 'typ', 'kid'].includes(name) || typeof value !== 'string') throw new VerifyError('header');
  }
  // A published key is found by its name; a shared secret has none.
  if ((members['kid'] !== undefined) !== hasKid) throw new VerifyError('unknown_key');
}

/** Every claim is there and of its type. */
export function checkClaims(claims: Record<string, unknown>): Claims {
  for (const name of ['iss', 'sub', 'sid', 'client_id']) check(name, isText(claims[name]));
  check('jti', isText(claims['jti']) && /^[\w-]{22}$/.test(claims['jti'] as string));
  check('aud', claims['aud'] === undefined || isText(claims['aud']));
  for (const name of ['iat', 'exp']) check(name, isTime(claims[name]));
  for (const name of ['nbf', 'auth_time']) check(name, claims[name] === undefined || isTime(claims[name]));
  return claims as Claims;
}

function check(claim: string, isGood: boolean): void {
  if (!isGood) throw new VerifyError('claim', { claim });
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isTime = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

function decode(segment: string): Uint8Array {
  try {
    const bytes = base64url.decode(segment);
    // One text for one token: no padding, no white space, no loose bits at the end.
    if (base64url.encode(bytes) === segment) return bytes;
  } catch {
    // Said below.
  }
  throw new VerifyError('encoding');
}

/** An object in which no name stands twice: of two values, another reader might believe the other one. */
function readObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const written = text.match(/"(?:[^"\\]|\\.)*"\s*:?/g)?.filter((word) => word.endsWith(':')).length ?? 0;
      if (written === countNames(value)) return value as Record<string, unknown>;
    }
  } catch {
    // Said below.
  }
  throw new VerifyError('json');
}

function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, inner) => sum + countNames(inner), own);
}
