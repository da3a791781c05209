"""Makes password_hashes.json: password hashes by the software whose users are imported.

In a virtual environment and a folder that are thrown away afterwards:

    pip install django werkzeug passlib argon2-cffi bcrypt==4.0.1
    npm install bcryptjs
    NODE_PATH=node_modules python make_password_hashes.py > password_hashes.json

bcrypt 5 refuses passwords of more than 72 bytes and passlib 1.7 does not know it; hence version 4.
Costs are low where the maker lets them be, so that the tests are fast; one of each family has its maker's own.
"""

import importlib.metadata
import json
import subprocess

import argon2
import bcrypt
import django.conf
from django.contrib.auth import hashers as django_hashers
from passlib import hash as passlib
from werkzeug.security import generate_password_hash

PLAIN = ("correct horse battery staple", "correct horse battery stable")
# The wrong one lacks a mark; how a letter is composed makes no difference.
UNICODE = ("pässwörd 🐢 пароль", "passwörd 🐢 пароль")
LONG = ("x" * 200 + "a", "x" * 200 + "b")
PAIRS = {"plain": PLAIN, "unicode": UNICODE, "long": LONG}
# bcrypt looks at 72 bytes: these two are the same to it. The last letter of the first 72 tells another one apart.
BYTES_73 = ("b" * 72 + "c", "b" * 71 + "!c", "b" * 72 + "d")

django.conf.settings.configure()
vectors = []


def add(maker, what, password, wrong, made, **more):
    made = made.decode() if isinstance(made, bytes) else made
    vectors.append({
        "name": f"{maker} {what}",
        "version": version(maker),
        "hash": made,
        "password": password,
        "wrong": wrong,
        **more,
    })


def version(maker):
    if maker == "bcryptjs":
        # It does not export its package.json; the file that it does export lies one folder below.
        return node("const read = require(require.resolve('bcryptjs') + '/../../package.json');"
                    "console.log(read.version)")
    return importlib.metadata.version(maker)


def node(script, *arguments):
    return subprocess.run(
        ["node", "-e", script, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def add_all(maker, what, make, kinds=("plain", "unicode", "long")):
    for kind in kinds:
        password, wrong = PAIRS[kind]
        add(maker, f"{what}, {kind}", password, wrong, make(password))


def bcrypt_hashes():
    short = ("plain", "unicode")
    for prefix in (b"2a", b"2b"):
        add_all("bcrypt", f"${prefix.decode()}$",
                lambda p: bcrypt.hashpw(p.encode(), bcrypt.gensalt(4, prefix)), short)
    add_all("bcrypt", "default cost", lambda p: bcrypt.hashpw(p.encode(), bcrypt.gensalt()), ("plain",))
    password, wrong, same = BYTES_73
    add("bcrypt", "73 bytes", password, wrong, bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)), same=same)
    euros = "€" * 24
    add("bcrypt", "72 bytes of Unicode", euros, "€" * 23, bcrypt.hashpw(euros.encode(), bcrypt.gensalt(4)),
        same=euros + "€")
    add_all("passlib", "bcrypt $2y$", passlib.bcrypt.using(rounds=4, ident="2y").hash, short)
    add_all("passlib", "bcrypt_sha256 v2", passlib.bcrypt_sha256.using(rounds=5).hash)
    add_all("passlib", "bcrypt_sha256 v1 $2a$", passlib.bcrypt_sha256.using(rounds=4, version=1, ident="2a").hash)
    add_all("passlib", "bcrypt_sha256 v1", passlib.bcrypt_sha256.using(rounds=4, version=1).hash)
    script = "console.log(require('bcryptjs').hashSync(process.argv[1], 4))"
    add_all("bcryptjs", "hashSync", lambda p: node(script, p), short)
    password, wrong, same = BYTES_73
    add("bcryptjs", "73 bytes", password, wrong, node(script, password), same=same)
    for name in ("BCryptPasswordHasher", "BCryptSHA256PasswordHasher"):
        hasher = getattr(django_hashers, name)()
        hasher.rounds = 4
        add_all("django", name, lambda p: hasher.encode(p, hasher.salt()),
                PAIRS if "SHA256" in name else short)


def argon2_hashes():
    for kind in argon2.Type:
        make = argon2.PasswordHasher(time_cost=2, memory_cost=64, parallelism=2, type=kind).hash
        add_all("argon2-cffi", kind.name, make)
    add_all("argon2-cffi", "64 bytes of output, 8 of salt",
            argon2.PasswordHasher(1, 32, 1, hash_len=64, salt_len=8).hash, ("plain",))
    old = argon2.low_level.hash_secret(
        PLAIN[0].encode(), b"a salt of old", 2, 64, 1, 16, argon2.Type.I, version=0x10)
    add("argon2-cffi", "version 1.0", *PLAIN, old)
    # Before 1.1 the version was not written at all.
    add("argon2-cffi", "version 1.0, unwritten", *PLAIN, old.replace(b"$v=16", b""))
    add_all("argon2-cffi", "default cost", argon2.PasswordHasher().hash, ("plain",))
    add_all("passlib", "argon2", passlib.argon2.using(rounds=1, memory_cost=64, parallelism=1).hash, ("plain",))
    hasher = django_hashers.Argon2PasswordHasher()
    add_all("django", "Argon2PasswordHasher, default cost",
            lambda p: hasher.encode(p, hasher.salt()), ("plain",))
    hasher.time_cost, hasher.memory_cost, hasher.parallelism = 1, 64, 1
    add_all("django", "Argon2PasswordHasher", lambda p: hasher.encode(p, hasher.salt()))


def scrypt_hashes():
    add_all("passlib", "scrypt", passlib.scrypt.using(rounds=6, block_size=4, parallelism=2).hash)
    add_all("passlib", "scrypt, default cost", passlib.scrypt.hash, ("plain",))
    add_all("werkzeug", "scrypt", lambda p: generate_password_hash(p, "scrypt:256:8:1"))
    add_all("werkzeug", "scrypt, default cost", generate_password_hash, ("plain",))
    hasher = django_hashers.ScryptPasswordHasher()
    add_all("django", "ScryptPasswordHasher", lambda p: hasher.encode(p, hasher.salt(), n=64, r=4, p=3))
    add_all("django", "ScryptPasswordHasher, default cost",
            lambda p: hasher.encode(p, hasher.salt()), ("plain",))


def pbkdf2_hashes():
    for name in ("PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher"):
        hasher = getattr(django_hashers, name)()
        add_all("django", name, lambda p: hasher.encode(p, hasher.salt(), iterations=1000))
        add_all("django", f"{name}, default cost", lambda p: hasher.encode(p, hasher.salt()), ("plain",))
    for digest in ("sha1", "sha256", "sha384", "sha512"):
        add_all("werkzeug", f"pbkdf2 {digest}", lambda p: generate_password_hash(p, f"pbkdf2:{digest}:1000"))
    add_all("werkzeug", "pbkdf2 salt of 8",
            lambda p: generate_password_hash(p, "pbkdf2:sha256:1", salt_length=8), ("plain",))
    for name in ("pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512"):
        maker = getattr(passlib, name)
        add_all("passlib", name, maker.using(rounds=1000).hash)
        add_all("passlib", f"{name}, default cost", maker.hash, ("plain",))


bcrypt_hashes()
argon2_hashes()
scrypt_hashes()
pbkdf2_hashes()
print(json.dumps({"vectors": vectors}, indent=1, ensure_ascii=False))
