"""Fills corpus/ with the vectors, so that fuzzing starts from tokens and hashes that nearly pass."""

import base64
import json
import pathlib

here = pathlib.Path(__file__).parent
vectors = here.parent / "vectors"


def seed(target, name, content):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def decoded(segment):
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


for file in ("refresh-opaque", "refresh-jwt"):
    for vector in json.loads((vectors / f"{file}.json").read_text())["vectors"]:
        seed("refresh_token", f"{file}-{vector['name']}", vector["token"].encode())

for vector in json.loads((vectors / "access.json").read_text())["vectors"]:
    seed("access_token", vector["name"], vector["token"].encode())
    if vector["expect"].get("refused") not in ("encoding", "segments", "too_long"):
        header, claims, _ = map(decoded, vector["token"].split("."))
        for target in ("access_token_signed", "verify_token"):
            seed(target, vector["name"], claims)
            seed(target, vector["name"] + "-header", header + b"\n" + claims)

for name, ring in json.loads((vectors / "keys.json").read_text())["rings"].items():
    seed("key_ring", name, json.dumps(ring).encode())

hashes = here.parent / "crates" / "sprag" / "tests" / "vectors" / "password_hashes.json"
for number, vector in enumerate(json.loads(hashes.read_text())["vectors"]):
    seed("password_hash", str(number), vector["hash"].encode())
