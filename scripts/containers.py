"""What the tests of the container image share: asking, waiting, a network of their own, and engines that run the image."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

DATA = "/var/lib/sprag"
URL = "http://localhost:8080"
PATIENCE_SECONDS = 60
# No setting of the server's, which would refuse it.
INSIDE = "APART_FOR_CONTAINERS"


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


class Podman:
    """Containers by Podman, with a store of its own."""

    name = "Podman"

    def __init__(self, folder):
        self.podman = ["podman", "--root", folder / "store", "--runroot", folder / "run", "--storage-driver=vfs",
                       "--cgroup-manager=cgroupfs"]

    def load(self, image):
        told = must(*self.podman, "load", "--input", image)
        self.image = next(line for line in told.splitlines() if line.startswith("Loaded image")).split(": ", 1)[1]

    def volume(self, name):
        must(*self.podman, "volume", "create", name)
        return name

    def options(self, env, volume, mounts):
        # No more files and processes than this shell may have, where the system lets nobody raise that.
        limits = [f"--ulimit={name}={count}:{count}" for name, count in (("nofile", 8192), ("nproc", 4096))]
        yield from ["--pull=never", "--network=host", "--dns=127.0.0.1", "--cgroups=disabled", *limits]
        yield from ["--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges"]
        for name, value in env.items():
            yield from ["--env", f"{name}={value}"]
        yield from ["--volume", f"{volume}:{DATA}"]
        for inside, outside in mounts.items():
            yield from ["--volume", f"{outside}:{inside}:ro"]

    def start(self, name, args, env, volume, mounts):
        must(*self.podman, "run", "--detach", "--name", name, *self.options(env, volume, mounts), self.image, *args)

    def exec(self, name, args, given=""):
        return run(*self.podman, "exec", "--interactive", name, "/usr/bin/sprag", *args, input=given)

    def pid(self, name):
        return int(must(*self.podman, "inspect", "--format={{.State.Pid}}", name))

    def kill(self, name, signal):
        must(*self.podman, "kill", f"--signal={signal}", name)

    def ended(self, name):
        """Waits for the end: the exit code and all that was printed."""
        code = int(must(*self.podman, "wait", name))
        told = must(*self.podman, "logs", name)
        must(*self.podman, "rm", name)
        return code, told

    def place_of(self, volume):
        return Path(must(*self.podman, "volume", "inspect", "--format={{.Mountpoint}}", volume))

    def works(self):
        code, told = run(*self.podman, "run", "--rm", *self.options({}, "trial", {}), self.image, "--version")
        return code == 0, told


class Chroot:
    """The image unpacked, and its processes in namespaces made by hand."""

    name = "a chroot"

    def __init__(self, folder):
        self.folder, self.running = folder, {}

    def load(self, image):
        layout, self.root = self.folder / "layout", self.folder / "root"
        self.root.mkdir()
        with tarfile.open(image) as tar:
            tar.extractall(layout)
        blob = lambda digest: layout / "blobs" / digest.replace(":", "/")
        manifest = json.loads((layout / "index.json").read_text())["manifests"][0]
        manifest = json.loads(blob(manifest["digest"]).read_text())
        self.config = json.loads(blob(manifest["config"]["digest"]).read_text())["config"]
        for layer in manifest["layers"]:
            with tarfile.open(blob(layer["digest"])) as tar:
                tar.extractall(self.root, numeric_owner=True)
        for point in ("proc", "dev"):
            (self.root / point).mkdir()
        (self.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")

    def volume(self, name):
        # As an engine fills a new volume: with what the image has there, rights and all.
        place = self.place_of(name)
        must("cp", "--archive", self.root / DATA.lstrip("/"), place)
        return name

    def place_of(self, volume):
        return self.folder / f"volume-{volume}"

    def spawn(self, args, env, volume, mounts, name):
        for inside in mounts:
            point = self.root / inside.lstrip("/")
            point.parent.mkdir(parents=True, exist_ok=True)
            point.touch()
        env = dict(pair.split("=", 1) for pair in self.config["Env"]) | env
        orders = {
            "root": str(self.root), "env": env, "cwd": self.config["WorkingDir"],
            "binds": {DATA: str(self.place_of(volume)), **{key: str(value) for key, value in mounts.items()}},
            "command": self.config["Entrypoint"] + (args or self.config["Cmd"]),
            "user": [int(part) for part in self.config["User"].split(":")],
        }
        log = open(self.folder / f"{name}.log", "w+")
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, __file__, json.dumps(orders)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, text=True), log

    def start(self, name, args, env, volume, mounts):
        self.running[name] = (*self.spawn(args, env, volume, mounts, name), env, volume, mounts)

    def exec(self, name, args, given=""):
        process, log = self.spawn(args, *self.running[name][2:], "exec")
        process.communicate(given)
        log.seek(0)
        return process.returncode, log.read()

    def pid(self, name):
        process = self.running[name][0].pid
        children = Path(f"/proc/{process}/task/{process}/children")
        wait_for("the container's first process", lambda: children.read_text().strip())
        return int(children.read_text().split()[0])

    def kill(self, name, signal):
        must("kill", "-s", signal, self.pid(name))

    def ended(self, name):
        process, log, *_ = self.running.pop(name)
        code = process.wait()
        log.seek(0)
        return code, log.read()


def become(orders):
    """Turns this process, the first of its namespace, into the container's."""
    orders = json.loads(orders)
    root = orders["root"]
    mount = lambda *words: subprocess.run(["mount", *words], check=True)
    mount("--bind", root, root)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--bind", "/dev", f"{root}/dev")
    for inside, outside in orders["binds"].items():
        mount("--bind", outside, root + inside)
    mount("-o", "remount,bind,ro", root)
    os.chroot(root)
    os.chdir(orders["cwd"])
    user, group = orders["user"]
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    no_new_privs = 38
    ctypes.CDLL(None).prctl(no_new_privs, 1, 0, 0, 0)
    os.execve(orders["command"][0], orders["command"], orders["env"])


def engine_for(image, folder, wants_chroot):
    if not wants_chroot and shutil.which("podman"):
        engine = Podman(folder)
        engine.load(image)
        works, told = engine.works()
        if works:
            return engine
        print(f"Podman does not run here, so it is a chroot; Podman says: {told.strip()}")
    engine = Chroot(folder)
    engine.load(image)
    return engine


if __name__ == "__main__":
    become(sys.argv[1])
