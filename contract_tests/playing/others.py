"""Operations that are no part of a job: read, asked for without a key, and made and read again where that is simple."""

from collections.abc import Iterator

from contract_tests.contract import ContractUnderTest
from contract_tests.history import CREATED, READ, Exchange, Purpose
from contract_tests.playing.calls import Asking
from contract_tests.playing.player import KEPT_FOR_PROBES, READ_ONLY, Player
from contract_tests.playing.seeing import is_success
from mockserver.jobs.paths import path_parameters
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import Operation

MOST_OTHERS = 10  # operations that are no part of a job
UNKNOWN = "unknown-0123456789"


def read_others(player: Player) -> None:
    """What can be read without knowing more; what can be made and read again; and all of them without a key."""
    for operation in others_of(player.contract):
        if operation.method == "GET" and "{" not in operation.path:
            player.send_call(player.calls.call(operation, player.asking()), Purpose.OTHER)
        if not player.calls.is_open(operation) and player.options.key:
            for key, purpose, detail in (("", Purpose.NO_KEY, ""), (player.bad_key, Purpose.BAD_KEY, "refused")):
                ask(player, operation, Asking(key), purpose, detail)
    if player.budget.is_read_only:
        player.skip("what is no job, made and read again", READ_ONLY)
        return
    for operation, reader in pairs_of(player.contract):
        make_and_read(player, operation, reader)


def others_of(contract: ContractUnderTest) -> list[Operation]:
    """The operations that are no part of a job."""
    known = {part.operation.name for part in contract.parts}
    return [operation for operation in contract.document.operations if operation.name not in known][:MOST_OTHERS]


def pairs_of(contract: ContractUnderTest) -> Iterator[tuple[Operation, Operation]]:
    """What makes a thing, with what reads it by its id: `POST /voices` and `GET /voices/{id}`."""
    others = others_of(contract)
    for operation in others:
        for reader in others:
            parameters = path_parameters(reader.path)
            below = f"{operation.path.rstrip('/')}/{{{parameters[0]}}}" if len(parameters) == 1 else ""
            if (operation.method, reader.method, reader.path) == ("POST", "GET", below):
                yield operation, reader


def make_and_read(player: Player, operation: Operation, reader: Operation) -> None:
    """Make a thing, and read it: with its own key, with another one, with none; and one that is not there."""
    body, media_type = player.calls.body_for(operation)
    made = ask(player, operation, player.asking(body=body, media_type=media_type), Purpose.OTHER, CREATED)
    parameter = path_parameters(reader.path)[0]
    id = told_id(made, parameter) if made is not None and is_success(player.contract, made) else ""
    if not id:
        return
    ask(player, reader, player.asking(job=id), Purpose.OTHER, READ)
    if any(answer.status in ("404", "4XX") for answer in reader.answers):
        ask(player, reader, player.asking(job=UNKNOWN), Purpose.UNKNOWN_ID)
    if not player.calls.is_open(reader):
        ask(player, reader, Asking(job=id), Purpose.NO_KEY)
        ask(player, reader, Asking(player.bad_key, id), Purpose.BAD_KEY, "refused")
        if player.options.second_key:
            ask(player, reader, Asking(player.options.second_key, id), Purpose.SECOND_KEY)
    remover = next((o for o in others_of(player.contract) if (o.method, o.path) == ("DELETE", reader.path)), None)
    if remover is not None and not player.options.keep:
        player.send_call(player.calls.call(remover, player.asking(job=id)), Purpose.OTHER, "taken away")
    else:
        player.skip(f"clean up of {operation.name}", f"{id} stays")


def ask(player: Player, operation: Operation, asking: Asking, purpose: str, detail: str = "") -> Exchange | None:
    """Send a request; None if it may cost something, and the budget has nothing left for it."""
    call = player.calls.call(operation, asking)
    if operation.method == "GET":
        return player.send_call(call, purpose, detail)
    keep = KEPT_FOR_PROBES if purpose == Purpose.OTHER else 0
    return player.buy_call(call, player.prices.of_any(operation), purpose, detail, keep)


def told_id(exchange: Exchange, parameter: str) -> str:
    """The id of a thing that was made, at the top of the answer or one level below: as the reader's path calls it."""
    body = exchange.json
    for name in (parameter, "id", "uuid"):
        for place in (body, *(body.values() if isinstance(body, dict) else ())):
            for key, value in place.items() if isinstance(place, dict) else ():
                if plain(key) == plain(name) and isinstance(value, (str, int)) and not isinstance(value, bool):
                    return str(value)
    return ""
