import { createRemoteJWKSet, jwtVerify } from 'jose';

const issuer = process.env.ISSUER;
const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', issuer));

export async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience: issuer,
    algorithms: ['ES256'],
    typ: 'at+jwt',
    clockTolerance: 60,
    requiredClaims: ['sub', 'sid', 'client_id', 'iat', 'exp', 'jti'],
  });
  return payload;
}
