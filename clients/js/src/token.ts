import type { TokenFacts } from './types.js';

/** Bytes of the opaque encoding before the session's id: version, key id, profile, account. */
const SESSION_AT = 20;
const GENERATION_AT = 36;
const OPAQUE_BYTES = 92;

/** The bytes of base64url without padding, as text of one character a byte; throws on anything else. */
const decode = (text: string): string => atob(text.replace(/-/g, '+').replace(/_/g, '/'));

/** What a JWT says, unverified; undefined for what is none. */
export function readClaims(jwt: string): Record<string, unknown> | undefined {
  try {
    const bytes = Uint8Array.from(decode(jwt.split('.')[1] as string), (letter) => letter.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return claims && typeof claims === 'object' ? (claims as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Which session a refresh token is of, and which generation: the one thing in it that a client may read, to know which of two
 * is newer. Undefined for a token of another system.
 */
export function readToken(token: string): TokenFacts | undefined {
  const { sid, gen } = readClaims(token) ?? {};
  if (typeof sid === 'string' && typeof gen === 'number') return { session: sid, generation: gen };
  try {
    const bytes = token.startsWith('spr_') ? decode(token.slice(4)) : '';
    if (bytes.length !== OPAQUE_BYTES) return undefined;
    const hex = Array.from(bytes, (letter) => letter.charCodeAt(0).toString(16).padStart(2, '0')).join('');
    const id = hex.slice(SESSION_AT * 2, GENERATION_AT * 2);
    return {
      session: id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
      generation: parseInt(hex.slice(GENERATION_AT * 2, GENERATION_AT * 2 + 16), 16),
    };
  } catch {
    return undefined;
  }
}
