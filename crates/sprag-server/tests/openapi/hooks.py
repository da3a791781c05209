"""What schemathesis cannot know: who may log in, and what a token looks like.

Every call that wants an access token is given one of a session of its own, for many calls end the session they are
made with. Where the document's example stands for a token or a session, the call is given a real one.
"""

import base64
import json
import os
import urllib.request

import schemathesis

BASE = os.environ["SPRAG_FUZZ_URL"]


def fetch(method, path, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Origin": BASE, **(headers or {})}
    request = urllib.request.Request(BASE + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
        return (json.loads(text) if text else None), answer.headers.get_all("Set-Cookie") or []


DOCUMENT, _ = fetch("GET", "/openapi.json")
OPERATIONS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}


def examples(operation):
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [example["value"] for example in content.get("examples", {}).values()]


def texts(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def parts(token):
    """The header and claims of a JWT, or nothing."""
    pieces = token.split(".")
    if len(pieces) != 3:
        return None
    try:
        return [json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4))) for piece in pieces[:2]]
    except ValueError:
        return None


def is_access_token(text):
    return bool(decoded := parts(text)) and decoded[0].get("typ") == "at+jwt"


def is_refresh_token(text):
    return text.startswith("spr_") or (bool(decoded := parts(text)) and decoded[0].get("typ") == "rt+jwt")


class Session:
    """A new session of the person whom the document's examples speak of."""

    def __init__(self):
        method, path, login = next(
            value for name, value in OPERATIONS.items() if name.endswith("_login")
        )
        answer, cookies = fetch(method, path, examples(login)[0])
        self.access = next(text for text in texts(answer) if is_access_token(text))
        self.refresh = next((text for text in texts(answer) if is_refresh_token(text)), None)
        self.id = parts(self.access)[1]["sid"]
        self.cookies = dict(cookie.split(";")[0].split("=", 1) for cookie in cookies)


def wants_bearer(operation):
    return operation.definition.raw.get("security") == [{"bearer": []}]


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        return Session() if wants_bearer(case.operation) else None

    def set(self, case, session, context):
        if session is None:
            return
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {session.access}"}
        if case.path_parameters and "id" in case.path_parameters:
            raw = case.operation.definition.raw
            example = next(p["example"] for p in raw["parameters"] if p["name"] == "id")
            if case.path_parameters["id"] == example:
                case.path_parameters["id"] = session.id


def with_real_token(body):
    """The same body with a real refresh token where the document's example of one stands."""
    if not isinstance(body, dict):
        return body, None
    fields = [name for name, value in body.items() if isinstance(value, str) and is_refresh_token(value)]
    real = {is_real for name in fields if (is_real := body[name]) not in EXAMPLE_TOKENS}
    if not fields or real:
        return body, None
    session = Session()
    return {**body, **{name: session.refresh for name in fields if session.refresh}}, session


EXAMPLE_TOKENS = {
    text
    for _, _, operation in OPERATIONS.values()
    for example in examples(operation)
    for text in texts(example)
    if is_refresh_token(text)
}


@schemathesis.hook
def before_call(context, case, kwargs):
    case.headers = {**(case.headers or {}), "Origin": BASE}
    if case.operation.definition.raw.get("security") == [{"bearer": []}]:
        return
    body, session = with_real_token(case.body)
    if session and not session.refresh:
        case.cookies = {**(case.cookies or {}), **session.cookies}
        return
    case.body = body


@schemathesis.hook
def after_call(context, case, response):
    """A changed password is changed back, so that everybody can log in."""
    if not case.operation.definition.raw["operationId"].endswith("_password") or response.status_code >= 300:
        return
    method, path, operation = OPERATIONS[case.operation.definition.raw["operationId"]]
    example = examples(operation)[0]
    passwords = [name for name in example if not is_refresh_token(example[name])]
    current, new = (case.body[name] for name in passwords)
    token = next(text for text in texts(response.json()) if is_access_token(text))
    fetch(method, path, dict(zip(passwords, [new, current])), {"Authorization": f"Bearer {token}"})
