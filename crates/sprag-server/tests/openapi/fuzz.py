"""Holds a real server against its OpenAPI document, profile by profile, with schemathesis; see docs/reference/openapi.md.

Exits with 1 where a check failed or could not run.
"""

import argparse
import collections
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[3]
SPRAG = ROOT / "target/debug/sprag"
OUT = ROOT / "target/openapi"

# The people and passwords of the document's examples, so that what it shows is what happens.
PERSON = ["--username", "ann", "--email", "ann@example.org"]
PASSWORD = "an example of a password"

# What cannot hold by design: the operations, what of which check is left out, and the reason.
EXCLUDED = [
    (
        "_(logout|revoke)(_[0-9]+)?$",
        "ignored_auth.enabled = false",
        "logging out with a token that is none of ours, or over, is no error (RFC 7009 section 2.2)",
    ),
    (
        "_register$",
        "positive_data_acceptance.expected-statuses = ['2xx', '400', '401', '403', '409', '422']",
        "no schema says which names are taken, nor what a name is once it is normalised (NFKC)",
    ),
]

PATIENCE_SECONDS = 15


def main():
    parser = argparse.ArgumentParser(prog="scripts/openapi fuzz")
    parser.add_argument("--examples", type=int, default=60, help="cases per operation and phase, at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("profiles", nargs="+")
    arguments = parser.parse_args()
    outcomes = [fuzz(profile, arguments) for profile in arguments.profiles]
    sys.exit(0 if all(outcomes) else 1)


def fuzz(profile, arguments):
    """Whether every check held for `profile`."""
    name = pathlib.Path(profile).stem
    report = OUT / f"fuzz-{name}.ndjson"
    with tempfile.TemporaryDirectory() as folder:
        environment = settings(profile, folder)
        url = environment["SPRAG_PUBLIC_URL"]
        sprag("user", "create", *PERSON, "--password-stdin", "--admin", env=environment, input=PASSWORD)
        with (pathlib.Path(folder) / "log").open("w+") as log:
            server = subprocess.Popen([SPRAG, "serve"], env=environment, cwd=folder, stdout=log, stderr=log)
            try:
                wait_for(url, server, log)
                status = run(url, folder, report, arguments, environment)
                is_alive = server.poll() is None
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(PATIENCE_SECONDS)
            log.seek(0)
            defects = [line for line in log if " ERROR " in line]
    tell(name, report, status, is_alive, defects)
    return status == 0 and is_alive and not defects


def settings(profile, folder):
    """An environment of its own: nothing that this shell has set reaches the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return {
        "PATH": os.environ["PATH"],
        "SPRAG_PROFILES": str(ROOT / profile) if profile.endswith(".toml") else profile,
        "SPRAG_DATA_DIR": f"{folder}/data",
        "SPRAG_LISTEN": address,
        "SPRAG_PUBLIC_URL": f"http://{address}",
        "SPRAG_LOG": "warn",
    }


def sprag(*words, **options):
    subprocess.run([SPRAG, *words], check=True, text=True, stdout=subprocess.DEVNULL, **options)


def wait_for(url, server, log):
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    log.seek(0)
    sys.exit(f"scripts/openapi: the server did not start:\n{log.read()}")


def run(url, folder, report, arguments, environment):
    command = [
        pathlib.Path(sys.executable).parent / "schemathesis",
        *["--no-color", "run", f"{url}/openapi.json"],
        "--continue-on-failure",
        *["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)],
        *["--generation-database", "none", "--report-ndjson-path", report],
    ]
    excluded = (
        f'[[operations]]\ninclude-operation-id-regex = "{operations}"\nchecks.{check}\n'
        for operations, check, _ in EXCLUDED
    )
    pathlib.Path(folder, "schemathesis.toml").write_text("\n".join(excluded))
    more = {"SPRAG_FUZZ_URL": url, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env={**environment, **more}, text=True, capture_output=True)
    if done.returncode != 0:
        print(done.stdout, done.stderr)
    return done.returncode


def tell(name, report, status, is_alive, defects):
    """What was checked how often, and which answers came."""
    checks, answers = collections.Counter(), collections.defaultdict(collections.Counter)
    for line in report.open():
        scenario = json.loads(line).get("ScenarioFinished")
        if not scenario:
            continue
        recorder = scenario["recorder"]
        for found in recorder.get("checks", {}).values():
            checks.update((check["name"], check["status"]) for check in found)
        for case, interaction in recorder.get("interactions", {}).items():
            value = recorder["cases"][case]["value"]
            answer = interaction.get("response")
            answers[f"{value['method']} {value['path']}"][answer["status_code"] if answer else "none"] += 1
    others = 0
    for call in [call for call, statuses in answers.items() if set(statuses) == {405}]:
        others += answers.pop(call)[405]
    cases = others + sum(count for statuses in answers.values() for count in statuses.values())
    print(f"\n{name}: {len(answers)} calls, {cases} requests, {'all checks held' if status == 0 else 'FAILED'}")
    for (check, outcome), count in sorted(checks.items()):
        print(f"    {check:32} {outcome:8} {count:6}")
    for call, statuses in sorted(answers.items()):
        print(f"    {call:44} {', '.join(f'{status}: {count}' for status, count in sorted(statuses.items(), key=str))}")
    print(f"    and on every path each other method: 405, {others} times")
    for operations, check, reason in EXCLUDED:
        print(f"    left out: {check} of {operations}: {reason}")
    if not is_alive:
        print("    the server ended by itself")
    for line in defects:
        print(f"    in its log: {line.rstrip()}")


main()
