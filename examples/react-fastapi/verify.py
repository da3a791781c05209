import os

import jwt

ISSUER = os.environ["ISSUER"]
keys = jwt.PyJWKClient(os.environ["JWKS_URL"], lifespan=300, timeout=5)


def verify(token):
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=ISSUER,
        audience=ISSUER,
        leeway=60,
        options={"require": ["sub", "sid", "client_id", "iat", "exp", "jti"]},
    )
