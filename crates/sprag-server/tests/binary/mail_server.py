"""A mail server that keeps each letter as a file: mail_server.py FOLDER SECONDS. It says its port, and ends with its input."""

import asyncio
import os
import sys

from aiosmtpd.smtp import SMTP

folder, seconds = sys.argv[1], float(sys.argv[2])


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


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Keeps(), loop=loop), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
