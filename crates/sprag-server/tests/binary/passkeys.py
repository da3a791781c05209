"""A security key made of PyPI's fido2, without a browser: python passkeys.py URL ORIGIN PASSWORD.

fido2 reads what the server asks for and writes what is answered. Prints how many answers were refused.
"""

import hashlib
import json
import sys
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialCreationOptions,
    PublicKeyCredentialRequestOptions,
)

URL, ORIGIN, PASSWORD = sys.argv[1:]
FLAG = AuthenticatorData.FLAG
VERIFIED = FLAG.UP | FLAG.UV
refused = 0


def call(path, body, token=None):
    request = urllib.request.Request(f"{URL}/api/v1/auth{path}", json.dumps(body).encode(), method="POST")
    request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def answered(path, body, token=None, status=200):
    got, answer = call(path, body, token)
    assert got == status, (path, got, answer)
    return answer


def is_refused(path, body, token=None):
    global refused
    got, answer = call(path, body, token)
    assert (got, answer["code"]) == (403, "code_wrong"), (path, got, answer)
    refused += 1


class Key:
    def __init__(self, name):
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.id, self.counter, self.owner = name.encode() * 8, 0, b""

    def about(self, rp_id, flags, made=b""):
        self.counter += 1
        site = hashlib.sha256(rp_id.encode()).digest()
        return AuthenticatorData.create(site, flags, self.counter, made)

    def answer(self, **response):
        name = websafe_encode(self.id)
        facts = {key: websafe_encode(value) for key, value in response.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": facts, "clientExtensionResults": {}}

    def make(self, asked, origin=ORIGIN, rp_id=None, flags=VERIFIED):
        options = PublicKeyCredentialCreationOptions.from_dict(asked["publicKey"])
        assert options.user.id and any(each.alg == -7 for each in options.pub_key_cred_params)
        assert options.authenticator_selection.user_verification == "required"
        self.owner = options.user.id
        data = CollectedClientData.create(CollectedClientData.TYPE.CREATE, options.challenge, origin)
        public = ES256.from_cryptography_key(self.private.public_key())
        made = AttestedCredentialData.create(bytes(16), self.id, public)
        about = self.about(rp_id or options.rp.id, flags | FLAG.AT, made)
        return self.answer(clientDataJSON=data, attestationObject=AttestationObject.create("none", about, {}))

    def show(self, asked, origin=ORIGIN, rp_id=None, flags=VERIFIED, owner=None):
        options = PublicKeyCredentialRequestOptions.from_dict(asked["publicKey"])
        assert options.user_verification == "required"
        data = CollectedClientData.create(CollectedClientData.TYPE.GET, options.challenge, origin)
        about = self.about(rp_id or options.rp_id, flags)
        signature = self.private.sign(about + data.hash, ec.ECDSA(hashes.SHA256()))
        owner = self.owner if owner is None else owner
        return self.answer(clientDataJSON=data, authenticatorData=about, signature=signature, userHandle=owner)


def log_in(name):
    return answered("/login", {"username": name, "password": PASSWORD})["access_token"]


def asks(body=None):
    return answered("/login/passkey/options", body or {})


def adds(token, key, **wrong):
    asked = answered("/factors/passkey/options", {}, token)
    return {"credential": key.make(asked, **wrong), "label": "a key"}


LIES = [
    {"origin": "https://evil.example"},
    {"rp_id": "evil.example"},
    {"flags": FLAG.UP},
    {"flags": FLAG.UV},
]

ann, bob = log_in("ann"), log_in("bob")
key, other = Key("anns"), Key("bobs")

for lie in LIES:
    is_refused("/factors/passkey", adds(ann, key, **lie), ann)
theirs = adds(ann, Key("none"))
is_refused("/factors/passkey", theirs, bob)
added = answered("/factors/passkey", adds(ann, key), ann, 201)
assert len(added["recovery_codes"]) == 10, added
answered("/factors/passkey", adds(bob, other), bob, 201)

status, waits = call("/login", {"username": "ann", "password": PASSWORD})
assert (status, waits["code"]) == (401, "second_factor_required") and waits["factors"][0] == "passkey", waits
asked = asks({"mfa_token": waits["mfa_token"]})
listed = PublicKeyCredentialRequestOptions.from_dict(asked["publicKey"]).allow_credentials
assert [each.id for each in listed] == [key.id], asked
shown = {"mfa_token": waits["mfa_token"], "credential": other.show(asked)}
is_refused("/login/factor", shown)
shown["credential"] = key.show(asks({"mfa_token": waits["mfa_token"]}))
answered("/login/factor", shown)

for lie in LIES:
    is_refused("/login/passkey", {"credential": key.show(asks(), **lie)})
is_refused("/login/passkey", {"credential": other.show(asks(), owner=key.owner)})
asked = asks()
assert not asked["publicKey"].get("allowCredentials"), "nobody is told of any account"
shown = {"credential": key.show(asked)}
pair = answered("/login/passkey", shown)
is_refused("/login/passkey", shown)
again = key.show(asked)
is_refused("/login/passkey", {"credential": again})

asked = answered("/login/passkey/options", {}, pair["access_token"])
assert len(asked["publicKey"]["allowCredentials"]) == 1, asked
stepped_up = answered("/step-up", {"credential": key.show(asked)}, pair["access_token"])
assert stepped_up["session_id"] != pair["session_id"]
key.counter -= 2
is_refused("/login/passkey", {"credential": key.show(asks())})
print(refused)
