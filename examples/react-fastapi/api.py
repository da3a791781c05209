import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from verify import verify

app = FastAPI()
bearer = HTTPBearer(auto_error=False)


def claims_of(given: HTTPAuthorizationCredentials | None = Depends(bearer)):
    try:
        return verify(given.credentials if given else "")
    except jwt.PyJWKClientConnectionError as error:
        raise HTTPException(503, "the keys cannot be had just now", {"Retry-After": "10"}) from error
    except jwt.PyJWTError as error:
        raise HTTPException(401, "log in again", {"WWW-Authenticate": "Bearer"}) from error


@app.get("/api/notes")
def notes(claims: dict = Depends(claims_of)):
    return {"account": claims["sub"], "notes": ["Buy milk", "Water the plants"]}
