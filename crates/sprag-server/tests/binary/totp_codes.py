"""Reads a moment and an otpauth URI a line, and says which code pyotp shows then."""

import sys

import pyotp

for line in sys.stdin:
    at, uri = line.split()
    totp = pyotp.parse_uri(uri)
    assert totp.digits == 6 and totp.interval == 30, uri
    assert totp.issuer == "auth.example.org  a \u00e9" and totp.name == "ann+1@example.org", (totp.issuer, totp.name)
    print(totp.at(int(at)))
