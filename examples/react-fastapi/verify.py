import os

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER = os.environ["ISSUER"]
keys = jwt.PyJWKClient(os.environ["JWKS_URL"], lifespan=300, timeout=5)


def verify(bearer: HTTPAuthorizationCredentials = Depends(HTTPBearer(auto_error=False))):
    try:
        if jwt.get_unverified_header(bearer.credentials).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        key = keys.get_signing_key_from_jwt(bearer.credentials)
        required = {"require": ["sub", "sid", "client_id", "iat", "exp", "jti"]}
        return jwt.decode(bearer.credentials, key, algorithms=["ES256"], issuer=ISSUER, audience=ISSUER, leeway=60, options=required)
    except jwt.PyJWKClientConnectionError as error:
        raise HTTPException(503, "the keys cannot be had just now", {"Retry-After": "10"}) from error
    except (jwt.PyJWTError, AttributeError) as error:
        raise HTTPException(401, "log in again", {"WWW-Authenticate": "Bearer"}) from error
