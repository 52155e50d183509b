"""What is checked, and where: the simulator in a process of its own, unless an address is given."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.simulator import simulator
from mockserver.loading.providers import bundled_names

KEY = "sk-contract-0123456789"
SECOND_KEY = "sk-contract-9876543210"
SUMMARY = "contract"  # the property of a test's report that holds a line for the summary


@dataclass(frozen=True, slots=True)
class Target:
    """A contract and the service that is to keep it."""

    contract: ContractUnderTest
    base_url: str
    key: str


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contract", "contract checks")
    group.addoption(
        "--spec", action="append", metavar="SPEC", help="A bundled provider, a folder or a file (repeatable) [all]."
    )
    group.addoption(
        "--base-url",
        metavar="URL",
        help="Check this service instead of the simulator. On this machine it will create hundreds of jobs, unless "
        "--max-jobs is given; elsewhere none.",
    )
    group.addoption(
        "--key-env", metavar="NAME", help="The environment variable that holds the API key [a made-up key]."
    )
    group.addoption(
        "--second-key-env", metavar="NAME", help="The variable that holds another user's key, who must see nothing."
    )
    group.addoption(
        "--max-jobs", type=int, metavar="N", help="Jobs that the lifecycle checks may create [beyond this machine 0]."
    )
    group.addoption(
        "--max-examples", type=int, default=50, metavar="N", help="Fuzzed requests for each operation [%(default)s]."
    )


def pytest_configure(config: pytest.Config) -> None:
    for option in ("--key-env", "--second-key-env"):
        name = config.getoption(option)
        if name and not os.environ.get(name):
            raise pytest.UsageError(f"{option}: the environment variable {name} is not set.")
    if config.getoption("--base-url") and len(_specs(config)) != 1:
        raise pytest.UsageError("--base-url needs one --spec: the contract that this service is to keep.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "spec" in metafunc.fixturenames:
        metafunc.parametrize("spec", _specs(metafunc.config))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    lines = [str(value) for report in reports for name, value in report.user_properties if name == SUMMARY]
    if lines:
        terminalreporter.section("contracts")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def key(pytestconfig: pytest.Config) -> str:
    """The API key that is sent."""
    name = pytestconfig.getoption("--key-env")
    return os.environ[name] if name else KEY


@pytest.fixture(scope="session")
def second_key(pytestconfig: pytest.Config) -> str:
    """Another user's key; '' where none is known."""
    name = pytestconfig.getoption("--second-key-env")
    return os.environ[name] if name else "" if pytestconfig.getoption("--base-url") else SECOND_KEY


@pytest.fixture(scope="session")
def base_urls(pytestconfig: pytest.Config, key: str) -> Iterator[Mapping[str, str]]:
    """The base URL of each contract that is checked, by its name."""
    specs, url = _specs(pytestconfig), pytestconfig.getoption("--base-url")
    if url:
        yield {load_contract(specs[0]).name: url}
    else:
        with simulator(specs, key, second_key=SECOND_KEY) as urls:
            yield urls


@pytest.fixture
def target(spec: str, base_urls: Mapping[str, str], key: str) -> Target:
    """The contract of a spec, and where it is to be kept."""
    contract = load_contract(spec)
    return Target(contract, base_urls[contract.name], key)


def _specs(config: pytest.Config) -> list[str]:
    return config.getoption("--spec") or bundled_names()
