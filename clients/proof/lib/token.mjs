// What a refresh token says of itself (docs/reference/token-format.md): enough to tell which of two is newer.

const OPAQUE = /spr_[A-Za-z0-9_-]{123}(?![A-Za-z0-9_-])/g;
const JWT = /eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g;

/** Session and generation of a refresh token; nothing for any other text. */
export function readToken(text) {
  if (typeof text !== 'string') return undefined;
  if (text.startsWith('spr_')) {
    const bytes = Buffer.from(text.slice(4), 'base64url');
    if (bytes.length !== 92) return undefined;
    return { session: uuid(bytes.subarray(20, 36)), generation: Number(bytes.readBigUInt64BE(36)) };
  }
  const parts = text.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(parts[1], 'base64url'));
    return claims.type === 'refresh' ? { session: claims.sid, generation: claims.gen } : undefined;
  } catch {
    return undefined;
  }
}

/** All refresh tokens that stand anywhere in a text, each with what it says. */
export function tokensIn(text) {
  const found = [...(text.match(OPAQUE) ?? []), ...(text.match(JWT) ?? [])];
  return found.flatMap((token) => {
    const read = readToken(token);
    return read ? [{ token, ...read }] : [];
  });
}

function uuid(bytes) {
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
