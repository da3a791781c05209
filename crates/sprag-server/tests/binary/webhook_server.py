"""Another system that is told and asked: webhook_server.py FOLDER. It says its port, and ends with its input.

What comes is verified with PyPI's standardwebhooks under the secret in WEBHOOK_SECRET and kept as a file; what does not verify is
answered 401. The answer is what stands in FOLDER/answer-TYPE or FOLDER/answer: a status, and behind it the body; 200 where there is neither.
A status of 0 is never answered.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

folder = sys.argv[1]
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
lock = threading.Lock()
count = 0


class Told(BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        try:
            webhook.verify(body, dict(self.headers))
        except Exception as error:
            print(f"not verified: {error}", file=sys.stderr, flush=True)
            self.answer(401, b"")
            return
        event = json.loads(body)
        with lock:
            count += 1
            path = os.path.join(folder, f"{count:06}")
        with open(path, "w") as file:
            json.dump({"id": self.headers["webhook-id"], "path": self.path, "event": event}, file)
        os.rename(path, path + ".json")
        self.answer(*self.wanted(event["type"]))

    def wanted(self, kind):
        for name in (f"answer-{kind}", "answer"):
            try:
                with open(os.path.join(folder, name)) as file:
                    status, _, body = file.read().partition(" ")
                    return int(status), body.encode()
            except FileNotFoundError:
                pass
        return 200, b""

    def answer(self, status, body):
        if status == 0:
            threading.Event().wait(30)
            return
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("location", body.decode())
            body = b""
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
server.daemon_threads = True
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
