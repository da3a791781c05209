import { attempt, parsed } from './after.js';
import { hex } from './store.js';
import type { TokenFacts } from './types.js';

/** The bytes of base64url without padding; throws on anything else. */
const decode = (text: string): Uint8Array =>
  Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));

/** What a JWT says, unverified; nothing where it is none. */
export const readClaims = (jwt = ''): Record<string, unknown> =>
  attempt(() => parsed(new TextDecoder().decode(decode(jwt.split('.')[1] as string)))) ?? {};

/**
 * Which session a refresh token is of, and which generation: the one thing in it that a client may read, to know which of two
 * is newer. Undefined for a token of another system.
 */
export function readToken(token = ''): TokenFacts | undefined {
  const { sid, gen } = readClaims(token);
  if (sid && gen !== undefined) return { session: sid as string, generation: gen as number };
  // `spr_`, and in hexadecimal letters: version, key id, profile, account; session; generation; secret, tag.
  return attempt(() => {
    const facts = /^.{40}(.{8})(.{4})(.{4})(.{4})(.{12})(.{16}).{96}$/.exec(token.startsWith('spr_') ? hex(decode(token.slice(4))) : '');
    return facts ? { session: facts.slice(1, 6).join('-'), generation: parseInt(facts[6] as string, 16) } : undefined;
  });
}
