"""Laws about the code and its docs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mockserver.cli import main
from mockserver.loading.providers import bundled_names

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("mockserver/**/*.py"), *ROOT.glob("contract_tests/**/*.py")])
# Each provider's whole name and the words it is made of, but for those that name a technique or a model family.
NAMES = sorted({word for name in bundled_names() for word in (name, name.split("-")[0])})


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_package_knows_no_provider_by_name(source: Path) -> None:
    found = re.findall(rf"\b({'|'.join(map(re.escape, NAMES))})\b", source.read_text(), re.IGNORECASE)
    assert not found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(source: Path) -> None:
    text = source.read_text()
    assert text.startswith('"""')
    assert source.name not in {"utils.py", "helpers.py", "common.py", "base.py", "manager.py"}


def test_the_floors_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_nothing_is_imported_for_serving_that_serving_does_not_use(tmp_path: Path) -> None:
    program = (
        "import sys; from mockserver.loading.providers import bundled_names, load_provider;"
        "from mockserver.web.server import Settings, build_app; import mockserver.web.protocol, uvicorn;"
        "load = lambda: build_app({n: load_provider(n) for n in bundled_names()}, Settings());"
        "load(); print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    command = [sys.executable, "-c", program]
    own = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}  # other tests drop files from the usual one
    subprocess.run(command, check=True, capture_output=True, env=own)  # fills the cache of parsed documents
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True, env=own).stdout.split())
    assert "starlette" in loaded
    assert not loaded & {"PIL", "jsonpath", "yaml", "jsonschema_rs", "schemathesis", "hypothesis", "httpx2", "rich"}


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_and_option_is_in_the_readme(command: str) -> None:
    readme = (ROOT / "README.md").read_text()
    assert f"mockserver {command}" in readme
    for parameter in main.commands[command].params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in readme, f"{command} {parameter.opts[-1]}"


@pytest.mark.parametrize("name", bundled_names())
def test_every_provider_is_told_of(name: str) -> None:
    folder = ROOT / "specs" / name
    assert f"`{name}`" in (ROOT / "README.md").read_text()
    assert (folder / "README.md").is_file()
    overlay = (folder / "overlay.yaml").read_text()
    assert overlay.count("- target:") == overlay.count("Source:"), "each action of an overlay says its source"


def test_architecture_is_short_and_names_every_room() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) <= 120
    for place in sorted((ROOT / "mockserver").iterdir()):
        if place.suffix == ".py" and not place.name.startswith("__"):
            assert f"`{place.name}`" in text, place.name
        elif place.is_dir() and (place / "__init__.py").exists():
            assert f"`{place.name}/`" in text, place.name
