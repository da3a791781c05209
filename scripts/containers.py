"""What the tests of the container image share: asking, waiting, and a network of their own."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

URL = "http://localhost:8080"
PATIENCE_SECONDS = 60
INSIDE = "SPRAG_CONTAINERS_APART"


class Otherwise(Exception):
    """Something is not as promised."""


def check(holds, sentence):
    if not holds:
        raise Otherwise(sentence)


def run(*command, **more):
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, **more)
    except subprocess.TimeoutExpired:
        raise Otherwise(f"{' '.join(command)} did not end within {PATIENCE_SECONDS} s") from None
    return done.returncode, done.stdout + done.stderr


def must(*command, **more):
    code, told = run(*command, **more)
    if code != 0:
        raise Otherwise(f"{' '.join(map(str, command))} ended with {code}: {told}")
    return told.strip()


def wait_for(what, is_so):
    """Asks again until it is so; fails where that takes too long."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        check(time.monotonic() < until, f"waited {PATIENCE_SECONDS} s for {what}")
        time.sleep(0.01)


def ask(path, body=None):
    """A call: its status, 0 where nobody answers, and what came."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError:
        return 0, ""


def apart():
    """Starts this script again, once, where nothing reaches this machine's network, mounts and processes."""
    if INSIDE not in os.environ:
        if os.getuid() != 0:
            sys.exit(f"{sys.argv[0]}: containers in a network of their own need root; run it by sudo")
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", *sys.argv]
        os.execvpe(command[0], command, os.environ | {INSIDE: "1"})
    must("ip", "link", "set", "lo", "up")
    # Where engines note what runs and which addresses are taken.
    must("mount", "-t", "tmpfs", "tmpfs", "/run")
    # Podman knows one hierarchy of control groups or the other, and not both side by side.
    if Path("/sys/fs/cgroup/unified").exists():
        must("umount", "--recursive", "/sys/fs/cgroup")
        must("mount", "-t", "cgroup2", "none", "/sys/fs/cgroup")
