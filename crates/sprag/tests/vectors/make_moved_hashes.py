"""Makes moved_hashes.json: password hashes of systems that people move from, by the software that they name.

In a virtual environment and a folder that are thrown away afterwards, on Debian 12:

    apt-get install php-cli ruby ruby-bcrypt ruby-devise
    pip install passlib firebase-scrypt bcrypt==4.0.1
    npm install better-auth lucia argon2 firebase-scrypt @phc/pbkdf2 @adonisjs/hash
    python make_moved_hashes.py > moved_hashes.json

What is quoted stands in the tests or the documentation of its maker, which the version names.
"""

import base64
import hashlib
import importlib.metadata
import json
import platform
import struct
import subprocess

import firebase_scrypt
from passlib import hash as passlib

PLAIN = ("correct horse battery staple", "correct horse battery stable")
# NFKC makes one letter of two, and two of the ligature; the third is the same to whoever asks for it.
UNICODE = ("pässwörd 🐢 ﬁx", "passwörd 🐢 fix", "pa\u0308sswo\u0308rd 🐢 fix")
PEPPER = "the pepper of the house, which is as long as one that Rails makes: 9f2c4be1a07d"
SIGNER = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
vectors = []


def add(name, version, made, password=PLAIN[0], wrong=PLAIN[1], **more):
    vectors.append({"name": name, "version": version, "hash": made.strip(), "password": password, "wrong": wrong, **more})


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def node(script, *arguments):
    return run("node", "--input-type=module", "-e", script, "--", *arguments).strip()


def npm(package):
    path = f"node_modules/{package}/package.json"
    with open(path, encoding="utf-8") as file:
        return f"{package} {json.load(file)['version']}"


def by_node():
    better = "import {hashPassword as h} from 'better-auth/crypto'; console.log(await h(process.argv[1]))"
    add("better-auth", npm("better-auth"), node(better, PLAIN[0]))
    add("better-auth, Unicode", npm("better-auth"), node(better, UNICODE[0]), UNICODE[0], UNICODE[1], same=UNICODE[2])
    for name in ("Scrypt", "LegacyScrypt"):
        script = f"import {{{name} as S}} from 'lucia'; console.log(await new S().hash(process.argv[1]))"
        add(f"Lucia {name}", npm("lucia"), node(script, PLAIN[0]))
        add(f"Lucia {name}, Unicode", npm("lucia"), node(script, UNICODE[0]), UNICODE[0], UNICODE[1], same=UNICODE[2])
    # Lucia 1 had another r and no mark; version 3 still verifies it.
    first = ("import {scryptSync} from 'node:crypto'; import {LegacyScrypt} from 'lucia'; const p = process.argv[1];"
             "const h = 'k3j2h4g5f6d7s8a9:' + scryptSync(p.normalize('NFKC'), 'k3j2h4g5f6d7s8a9', 64).toString('hex');"
             "if (!await new LegacyScrypt().verify(h, p)) throw 1; console.log(h)")
    for what, (password, wrong, *same) in (("", PLAIN), (", Unicode", UNICODE)):
        add(f"Lucia 1, verified by LegacyScrypt{what}", npm("lucia"), node(first, password), password, wrong,
            **({"same": same[0]} if same else {}))
    version = "node " + run("node", "--version").strip()
    plain = ("import {scryptSync, randomBytes} from 'node:crypto'; const salt = randomBytes(16).toString('hex');"
             "const h = scryptSync(process.argv[1], salt, 64).toString('hex'); console.log(%s)")
    add("scrypt of Node, salt:hash", version, node(plain % "salt + ':' + h", PLAIN[0]))
    add("scrypt of Node, hash.salt", version, node(plain % "h + '.' + salt", PLAIN[0]))
    argon2 = ("import argon2 from 'argon2'; const b = text => text ? Buffer.from(text) : undefined;"
              "const [p, data, secret] = process.argv.slice(1); console.log(await argon2.hash(p,"
              "{memoryCost: 64, timeCost: 2, parallelism: 1, associatedData: b(data), secret: b(secret)}))")
    add("node-argon2, sorted by name", npm("argon2"), node(argon2, PLAIN[0]))
    made = node(argon2, PLAIN[0], "a tenant")
    add("node-argon2, with data", npm("argon2"), made)
    parts = made.split("$")
    padded = ["=".join([part, ""]) if len(part) % 4 == 3 else part + "==" if len(part) % 4 == 2 else part
              for part in parts[-2:]]
    add("node-argon2, with data, its Base64 padded here", npm("argon2"), "$".join(parts[:-2] + padded))
    add("node-argon2, its order changed here", npm("argon2"),
        made.replace("m=64,p=1,t=2", "t=2,m=64,p=1").replace("$t=2,m=64,p=1,data=", "$data=YSB0ZW5hbnQ,t=2,m=64,p=1#").split("#")[0]
        + "$" + "$".join(parts[-2:]))
    secret = node(argon2, PLAIN[0], "", PEPPER)
    add("node-argon2, with a secret", npm("argon2"), "{peppered}" + secret, pepper=PEPPER)
    add("node-argon2, with a secret, its keyid written here", npm("argon2"),
        secret.replace("p=1,t=2", "p=1,t=2,keyid=aG91c2U"), pepper=PEPPER)
    adonis = ("import {Scrypt} from '@adonisjs/hash/drivers/scrypt'; console.log(await new Scrypt("
              "{cost: 1024, blockSize: 8, parallelization: 1}).make(process.argv[1]))")
    add("AdonisJS scrypt", npm("@adonisjs/hash"), node(adonis, PLAIN[0]))
    for digest in ("sha256", "sha512"):
        phc = ("import p from '@phc/pbkdf2'; const [text, digest] = process.argv.slice(1);"
               "console.log(await p.hash(text, {iterations: 1000, digest}))")
        add(f"PHC PBKDF2 {digest}", npm("@phc/pbkdf2"), node(phc, PLAIN[0], digest))


def firebase():
    version = f"firebase-scrypt {importlib.metadata.version('firebase-scrypt')} (pip)"
    for what, rounds, mem_cost, password, wrong in (
            ("", 8, 14, *PLAIN), (", other costs", 4, 10, *PLAIN), (", Unicode", 8, 14, *UNICODE[:2])):
        derived = firebase_scrypt.generate_derived_key(password, "42xEC+ixf3L2lw==", "Bw==", rounds, mem_cost)
        known = base64.b64encode(firebase_scrypt.encrypt(base64.b64decode(SIGNER), derived)).decode()
        add(f"Firebase{what}", version, f"$firescrypt$ln={mem_cost},r={rounds},p=1$42xEC+ixf3L2lw==${known}$Bw==",
            password, wrong, signer_key=SIGNER)
    quoted = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
    source = "quoted from the README of github.com/firebase/scrypt"
    add("Firebase, its own example", source, f"$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==${quoted}$Bw==",
        "user1password", "user2password", signer_key=SIGNER)
    add("Firebase, its own example as Ory Kratos writes it", source,
        f"$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==${quoted}$Bw==${SIGNER}", "user1password", "user2password")
    add("Firebase, its own example as Supabase writes it", source,
        f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={SIGNER}$42xEC+ixf3L2lw==${quoted}", "user1password", "user2password")


def aspnet():
    source = "quoted from PasswordHasherTest.cs of github.com/dotnet/aspnetcore"
    for what, made in (
            ("v2", "ANXrDknc7fGPpigibZXXZFMX4aoqz44JveK6jQuwY3eH/UyPhvr5xTPeGYEckLxz9A=="),
            ("v2, salt in order", "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg=="),
            ("v3", "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw=="),
            ("v3, 250,000 times", "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=")):
        add(f"ASP.NET Identity {what}", source, made, "my password", "My password")
    # What .NET 7 and later write, whose tests quote none with 32 bytes: the same layout, computed here.
    for prf, digest, times in ((2, "sha512", 100_000), (0, "sha1", 1000)):
        salt = bytes(range(16))
        subkey = hashlib.pbkdf2_hmac(digest, PLAIN[0].encode(), salt, times, 32)
        made = base64.b64encode(struct.pack(">BIII", 1, prf, times, len(salt)) + salt + subkey).decode()
        add(f"ASP.NET Identity v3 with {digest}", f"hashlib of Python {platform.python_version()}", made)


def by_php():
    version = "PHP " + run("php", "-r", "echo PHP_VERSION;")
    bcrypt = "echo password_hash($argv[1], PASSWORD_BCRYPT, ['cost' => 4]);"
    add("PHP bcrypt, as Laravel has it", version, run("php", "-r", bcrypt, PLAIN[0]))
    for name in ("ARGON2I", "ARGON2ID"):
        script = f"echo password_hash($argv[1], PASSWORD_{name}, ['memory_cost' => 64, 'time_cost' => 2, 'threads' => 1]);"
        add(f"PHP {name}, as Laravel has it", version, run("php", "-r", script, PLAIN[0]))
    # As wp_hash_password does it in WordPress 6.8.
    script = ("echo '$wp' . password_hash(base64_encode(hash_hmac('sha384', trim($argv[1]), 'wp-sha384', true)),"
              "PASSWORD_BCRYPT, ['cost' => 4]);")
    add("WordPress 6.8", version, run("php", "-r", script, PLAIN[0]), same=f" {PLAIN[0]}\n")


def by_ruby():
    devise = ("require 'active_support/core_ext/object/blank'; require 'devise/encryptor'; K = Struct.new(:pepper, :stretches);"
              "puts Devise::Encryptor.digest(K.new(ARGV[1], 4), ARGV[0])")
    version = "devise " + run("ruby", "-e", "require 'devise/version'; print Devise::VERSION")
    add("Devise", version, run("ruby", "-rbcrypt", "-e", devise, PLAIN[0]))
    add("Devise, with a pepper", version, "{peppered}" + run("ruby", "-rbcrypt", "-e", devise, PLAIN[0], PEPPER),
        pepper=PEPPER)
    secure = "require 'bcrypt'; puts BCrypt::Password.create(ARGV[0], cost: 4)"
    add("Rails has_secure_password", "bcrypt-ruby " + run("gem", "list", "-e", "bcrypt").strip(),
        run("ruby", "-e", secure, PLAIN[0]))


def spring():
    source = "quoted from Spring Security's reference, Password Storage"
    for what, made in (
            ("bcrypt", "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG"),
            ("pbkdf2", "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc"),
            ("scrypt", "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw=="
                       "$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=")):
        add(f"Spring {{{what}}}", source, made, "password", "Password")
    # What it does since 5.8 has no example there: the same layout, computed here.
    salt = bytes(range(16))
    subkey = hashlib.pbkdf2_hmac("sha256", PLAIN[0].encode(), salt, 310_000, 32)
    add("Spring {pbkdf2@SpringSecurity_v5_8}", f"hashlib of Python {platform.python_version()}",
        "{pbkdf2@SpringSecurity_v5_8}" + (salt + subkey).hex())


def directories():
    version = f"passlib {importlib.metadata.version('passlib')}"
    for name in ("ldap_pbkdf2_sha1", "ldap_pbkdf2_sha256", "ldap_pbkdf2_sha512"):
        add(name, version, getattr(passlib, name).using(rounds=1000).hash(PLAIN[0]))
    add("bcrypt behind {CRYPT}", version, "{CRYPT}" + passlib.bcrypt.using(rounds=4).hash(PLAIN[0]))


by_node()
firebase()
aspnet()
by_php()
by_ruby()
spring()
directories()
print(json.dumps({"vectors": vectors}, indent=1, ensure_ascii=False))
