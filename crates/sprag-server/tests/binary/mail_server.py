"""A mail server that keeps each letter as a file: mail_server.py FOLDER SECONDS [starttls|implicit PEM].

It says its port, and ends with its input. By TLS it takes letters only of SMTP_USER with SMTP_PASSWORD.
"""

import asyncio
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, seconds = sys.argv[1], float(sys.argv[2])
way, pem = (sys.argv[3], sys.argv[4]) if len(sys.argv) > 3 else (None, None)


class Keeps:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(seconds)
        Keeps.count += 1
        path = os.path.join(folder, f"{Keeps.count}")
        with open(path, "wb") as file:
            file.write(envelope.content)
        os.rename(path, path + ".eml")
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    known = os.environ["SMTP_USER"].encode(), os.environ["SMTP_PASSWORD"].encode()
    return AuthResult(success=(data.login, data.password) == known, handled=False)


async def main():
    loop = asyncio.get_running_loop()
    context = None
    if way:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)

    def protocol():
        if way is None:
            return SMTP(Keeps(), loop=loop)
        return SMTP(
            Keeps(),
            loop=loop,
            tls_context=context if way == "starttls" else None,
            require_starttls=way == "starttls",
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=way == "starttls",
        )

    implicit = context if way == "implicit" else None
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
