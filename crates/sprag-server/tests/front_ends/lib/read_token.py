"""Reads an access token from standard input with PyJWT and with python-jose, as FastAPI's tutorials do."""

import json
import os
import sys

import jose.jwt
import jwt

token = sys.stdin.read()
SECRET = os.environ["SECRET"]
read = {"claims": [], "errors": []}
for decode in (jwt.decode, jose.jwt.decode):
    try:
        read["claims"].append(decode(token, SECRET, algorithms=["HS256"]))
    except (jwt.PyJWTError, jose.JWTError) as error:
        read["errors"].append(type(error).__name__)
print(json.dumps(read))
