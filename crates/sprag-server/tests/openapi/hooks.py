"""What schemathesis cannot know: who may log in, and what a token looks like.

Every call that wants an access token is given one of a session of its own, for many calls end the session they are
made with. Where the document's example stands for a token or a session, the call is given a real one.
"""

import base64
import itertools
import json
import os
import re
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


def raw(case):
    return case.operation.definition.raw


# What stands in for a token until the call is made: a session that was opened earlier may have ended by then.
FRESH = "fresh"


@schemathesis.auth(refresh_interval=None)
class Access:
    """An access token where one is needed; in every second call that takes it, a cookie."""

    def get(self, case, context):
        ways = raw(case).get("security") or [{}]
        if ways[0] == {"bearer": []}:
            return "bearer"
        is_turn = is_meant_well(case) and next(TURNS) % 2 == 0
        return next((scheme for scheme in ways[0] if scheme.startswith("cookie_") and is_turn), None)

    def set(self, case, way, context):
        if way == "bearer":
            case.headers = {**(case.headers or {}), "Authorization": FRESH}
        elif way:
            case.cookies = {**(case.cookies or {}), cookie_name(way): FRESH}


def cookie_name(scheme):
    return DOCUMENT["components"]["securitySchemes"][scheme]["name"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Where an example or a stand-in is about to be sent, the real thing is."""
    case.headers = {**(case.headers or {}), "Origin": BASE}
    if case.headers.get("Authorization") == FRESH:
        session = Session()
        case.headers["Authorization"] = f"Bearer {session.access}"
        replace(case, {EXAMPLE_SESSION: session.id})
    elif FRESH in (case.cookies or {}).values():
        session = Session()
        if session.cookies:
            case.cookies = {**case.cookies, **session.cookies}
    elif any(value in EXAMPLE_TOKENS for value in members(case.body).values()):
        session = Session()
        if session.refresh:
            replace(case, {token: session.refresh for token in EXAMPLE_TOKENS})
    if case.cookies and is_meant_well(case):
        # Two tokens of two sessions are refused, which no schema can say.
        body = without_tokens(case.body)
        if body is not case.body:
            case.body = body
    if raw(case)["operationId"].endswith("_register"):
        number = next(TURNS)
        replace(case, {"ben": f"ben{number}", "ben@example.org": f"ben{number}@example.org"})


def is_meant_well(case):
    return case.meta is None or case.meta.generation.mode.is_positive


def members(body):
    """The fields of a body that hold texts."""
    fields = body.items() if isinstance(body, dict) else ()
    return {name: value for name, value in fields if isinstance(value, str)}


def without_tokens(body):
    """The same body without the texts in its fields for a refresh token."""
    texts_in = [name for name in members(body) if name in TOKEN_FIELDS]
    return {name: body[name] for name in body if name not in texts_in} if texts_in else body


def replace(case, real):
    """Puts what is real into the body's fields and the path; a field for which there is nothing real is left out."""
    found = {name: real[value] for name, value in members(case.body).items() if value in real}
    if found:
        body = {**case.body, **found}
        case.body = {name: value for name, value in body.items() if name not in found or value is not None}
    for name, value in (case.path_parameters or {}).items():
        if isinstance(value, str) and value in real:
            case.path_parameters[name] = real[value]


TURNS = itertools.count()

EXAMPLE_FIELDS = [
    field for _, _, operation in OPERATIONS.values() for body in examples(operation) for field in body.items()
]
EXAMPLE_TOKENS = [value for _, value in EXAMPLE_FIELDS if is_refresh_token(value)]
TOKEN_FIELDS = {name for name, value in EXAMPLE_FIELDS if is_refresh_token(value)}

# Every example has this session; src/openapi/example.rs makes it.
EXAMPLE_SESSION = next(
    (
        text
        for text in [value for _, value in EXAMPLE_FIELDS]
        + [p.get("example") for _, _, operation in OPERATIONS.values() for p in operation.get("parameters", [])]
        if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text or "")
    ),
    None,
)


@schemathesis.hook
def filter_body(context, body):
    """A schema counts characters and the server bytes: what lies between the two is neither right nor wrong."""
    contents = context.operation.definition.raw.get("requestBody", {}).get("content", {})
    for content in contents.values():
        for name, schema in content["schema"]["properties"].items():
            text = members(body).get(name)
            if text is None:
                continue
            characters, size = len(text), len(text.encode("utf-8", "surrogatepass"))
            if characters < schema.get("minLength", 0) <= size:
                return False
            if characters <= schema.get("maxLength", size) < size:
                return False
    return True


@schemathesis.hook
def after_call(context, case, response):
    """A changed password is changed back, so that everybody can log in."""
    if not raw(case)["operationId"].endswith("_password") or response.status_code >= 300:
        return
    method, path, operation = OPERATIONS[raw(case)["operationId"]]
    example = examples(operation)[0]
    passwords = [name for name in example if not is_refresh_token(example[name])]
    current, new = (case.body[name] for name in passwords)
    token = next(text for text in texts(response.json()) if is_access_token(text))
    fetch(method, path, dict(zip(passwords, [new, current])), {"Authorization": f"Bearer {token}"})
