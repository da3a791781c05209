import { SpragError } from '../error.js';

/** As many characters as a secret must have at least: fewer can be guessed. */
const SHORTEST = 32;

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;

/** SHA-256, in hexadecimal digits. */
export async function hashed(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', bytes(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** HMAC-SHA-256 by this secret, in base64url. */
export async function signed(secret: string, text: string): Promise<string> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', bytes(secret), algorithm, false, ['sign']);
  const tag = await crypto.subtle.sign('HMAC', key, bytes(text));
  const base64 = btoa(String.fromCharCode(...new Uint8Array(tag)));
  return base64.replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
}

/** A secret that is worth the name, or none. */
export function checkedSecret(secret: string | undefined): string | undefined {
  if (secret === undefined || secret.length >= SHORTEST) return secret;
  const why = `the secret given to createServer has ${secret.length} characters; give at least ${SHORTEST}, such as \`openssl rand -base64 32\` makes`;
  throw new SpragError('secret_too_short', why);
}
