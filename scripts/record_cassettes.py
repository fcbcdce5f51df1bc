"""Record the cassettes of ``tests/cassettes``.

    python scripts/record_cassettes.py openai groq ...   real providers whose keys are set (costs cents)
    python scripts/record_cassettes.py --local           a real llama.cpp server with the tiny model
    python scripts/record_cassettes.py --synthetic [...] answers written by hand, for the rest

``--synthetic`` leaves cassettes of real providers alone, unless ``--over`` is given. The first
line of each cassette says how it was made. Needs the ``test`` extra.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prompture.drivers.classes import driver_for
from prompture.drivers.provider import first_set
from prompture.drivers.registry import find
from scripts import handwritten_answers
from tests.cassette import FOLDER, how_made, recording
from tests.cassette_cases import SETUPS, Setup, ask, cases_of, providers, settings_of
from tests.llama import fixtures
from tests.loopback import serving

SYNTHETIC = "synthetic: written by hand after the documented wire format"


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("provider", nargs="*", help="providers (default: all that can be)")
    words.add_argument("--local", action="store_true", help="the tiny llama.cpp server")
    words.add_argument("--synthetic", action="store_true", help="from hand-written answers")
    words.add_argument("--over", action="store_true", help="also over recordings of the real one")
    given = words.parse_args()
    os.environ |= {"PROMPTURE_OFFLINE": "1", "PROMPTURE_CATALOG": "snapshot"}
    if given.local:
        return record_llama()
    chosen = given.provider or [n for n in providers() if n != "llamacpp"]
    if given.synthetic:
        return sum(write_synthetic(name, over=given.over) for name in chosen)
    keyed = [name for name in chosen if find(name).key_is_set()]
    for name in set(chosen) - set(keyed) if given.provider else ():
        print(f"{name}: none of {', '.join(find(name).key_env)} is set")
    return sum(record_real(name) for name in keyed)


def write_synthetic(provider: str, *, over: bool) -> int:
    """The provider's cassettes, from a stub server at its address."""
    with serving(lambda asked: handwritten_answers.answer(provider, asked)) as stub:
        for case in cases_of(provider):
            path = FOLDER / provider / f"{case}.yaml"
            if path.exists() and not over and how_made(path).startswith("recorded"):
                print(f"{provider}/{case}: left, it is a recording")
                continue
            real = urlsplit(driver_for(**settings_of(provider, case)).endpoint.base_url)
            moved = {stub.url: f"{real.scheme}://{real.netloc}"}
            path.parent.mkdir(parents=True, exist_ok=True)
            with recording(path, how=SYNTHETIC, moved=moved):
                done = ask(provider, case, base_url=stub.url + real.path)
            print(f"{provider}/{case}: {done.error or 'ok'}")
    return 0


def record_llama() -> int:
    """The cassettes of llama.cpp, from its real server."""
    import xllamacpp

    version = getattr(xllamacpp, "__version__", "")
    how = f"recorded: llama.cpp's server (xllamacpp {version}), the tiny model of tests/llama"
    folder = FOLDER / "llamacpp"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        model = Path(place) / "tiny.gguf"
        subprocess.run([sys.executable, fixtures.HERE / "tiny_model.py", model], check=True)
        for case in cases_of("llamacpp"):
            with fixtures._running(model, fixtures.KEY if case == "wrong_key" else "") as server:
                moved = {server.root: "http://127.0.0.1:8080"}
                with recording(folder / f"{case}.yaml", how=how, moved=moved):
                    done = ask("llamacpp", case, base_url=server.base_url)
            print(f"llamacpp/{case}: {done.error or 'ok'}")
    return 0


def record_real(provider: str) -> int:
    """The provider's cassettes, from the provider. Returns how many cases failed; what those
    had before is kept."""
    row = find(provider)
    key = first_set(row.key_env) or ""
    how = f"recorded: {row.title}, {datetime.now(UTC):%Y-%m-%d}"
    mine, moved = _own_settings(provider)
    failed = 0
    for case in cases_of(provider):
        path = FOLDER / provider / f"{case}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.exists() else None
        with recording(path, how=how, moved=moved, secrets=(key, *moved)):
            done = ask(provider, case, **mine, **({} if case == "error" else {"api_key": key}))
        if (done.error is None) == (case == "error"):
            failed += 1
            path.write_bytes(before) if before else path.unlink()
        print(f"{provider}/{case}: {done.error or 'ok'}")
    return failed


def _own_settings(provider: str) -> tuple[dict[str, str], dict[str, str]]:
    """Settings (an account, an endpoint) out of the environment, and what the cassette shall
    say in their place, which is what it is played with."""
    row, stated = find(provider), SETUPS.get(provider, Setup()).settings
    found = {name: first_set(row.option_env.get(name, ())) for name in stated}
    mine = {name: value.rstrip("/") for name, value in found.items() if value}
    return mine, {value: stated[name] for name, value in mine.items()}


if __name__ == "__main__":
    sys.exit(main())
