"""The stories: what is asked of a service so that the laws have something to look at. What is sent is in the history.

One job serves all that can share it. First jobs are created, then watched to their end, then their results are fetched;
wrong requests come next, and what takes jobs away comes last.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from contract_tests.contract import ContractUnderTest
from contract_tests.history import (
    ALL_THAT_FOLLOWS,
    INTERRUPTED,
    OTHER_VALUES,
    History,
    Purpose,
)
from contract_tests.playing.budget import Budget, Spent
from contract_tests.playing.calls import Asking, Way, creates_of
from contract_tests.playing.lists import read_lists
from contract_tests.playing.others import read_others
from contract_tests.playing.pace import Moving, find_simulator
from contract_tests.playing.player import (
    ENDING,
    KEPT_FOR_PROBES,
    READ_ONLY,
    SAFE,
    Kind,
    Options,
    Player,
    Tell,
    Unreachable,
)
from contract_tests.playing.probes import probe_all, probe_keys, try_wrong
from contract_tests.playing.results import fetch_all, look_again, look_at_finished
from contract_tests.playing.seeing import stories_of
from contract_tests.playing.target import Service
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import Action, JobOperation

BETWEEN = 1.1  # virtual seconds between creates, so that their order shows in whole seconds
UNUSUAL = "unusual characters"  # the detail of a create
_UNFIT = (400, 415, 422)  # by which a valid create is refused where a service asks for more than its contract


def play(
    contract: ContractUnderTest, service: Service, budget: Budget, options: Options, progress: Tell | None = None
) -> History:
    """Play all stories; what was not tried is told in `skipped`, with why. Ctrl-C ends it with what is known.

    `progress` is told the phase and what happens, after each request.
    """
    history = History(contract, read_only=budget.is_read_only, patience=options.patience, deadline=options.deadline)
    player = Player(contract, service, budget, options, history, progress or (lambda phase, message, share=None: None))
    try:
        try:
            play_all(player)
        except Spent as spent:
            history.skipped[ALL_THAT_FOLLOWS] = str(spent)
        listen_at_last(player)
    except KeyboardInterrupt:
        history.skipped[ALL_THAT_FOLLOWS] = INTERRUPTED
        player.ear.give_up(INTERRUPTED)
    except Unreachable as silent:
        history.skipped[ALL_THAT_FOLLOWS] = str(silent)
        player.ear.give_up(str(silent))
    finally:
        player.pace.restore()
        player.ear.close()
    tried = {exchange.purpose for exchange in history.exchanges}
    history.skipped = {f"{p}, in part" if p in tried else p: why for p, why in history.skipped.items()}
    history.jobs = stories_of(contract, history.exchanges)
    return history


def play_all(player: Player) -> None:
    with player.in_phase("reach"):
        reach(player)
    kinds = player.kinds = [Kind(resource) for resource in player.contract.resources[: player.options.kinds]]
    for left_out in player.contract.resources[player.options.kinds :]:
        player.skip(f"kind {left_out.name}", f"only {player.options.kinds} kinds of jobs are tried")
    with player.in_phase("create"):
        for kind in kinds:
            create_jobs(player, kind)
    with player.in_phase("watch"):
        for kind in kinds:
            look_at_unfinished(player, kind)
        player.watch(kinds)
    with player.in_phase("results"):
        for kind in kinds:
            if kind.main:
                look_at_finished(player, kind, kind.main)
            fetch_all(player, kind)
    with player.in_phase("lists"):
        for kind in kinds:
            read_lists(player, kind)
    with player.in_phase("follow-ups"):
        for kind in kinds:
            follow_up(player, kind)
        player.watch(kinds)
        for kind in kinds:
            look_again(player, kind)
    with player.in_phase("wrong requests"):
        for kind in kinds:
            probe_all(player, kind)
        read_others(player)
        for kind in kinds:
            look_again(player, kind)
    with player.in_phase("end"):
        for kind in kinds:
            end_jobs(player, kind)


def reach(player: Player) -> None:
    """One harmless request, which also tells whether this is our own simulator."""
    part = next((p for a in (Action.LIST, Action.RETRIEVE) for p in player.contract.parts if p.action is a), None)
    if part is not None:
        resource = player.resource_of(part)
        if part.action is Action.LIST:
            first = player.send(part, Purpose.LIST, Asking(player.options.key))
        else:
            first = player.send(part, Purpose.UNKNOWN_ID, player.asking(job=player.unknown_id(resource)))
        if not first.status and first.problem.startswith("Connect"):
            raise Unreachable(f"the endpoint cannot be reached: {first.problem}")
    if player.options.moves_clock:
        is_keyless = not any(operation.security for operation in player.contract.document.operations)
        player.pace = find_simulator(player.service, "" if is_keyless else player.options.key) or player.waiting
        player.history.simulated = player.pace.is_simulator
    player.ear.begin(player.pace)


def listen_at_last(player: Player) -> None:
    """Wait for the webhooks that have not come, and for those that come again."""
    if player.history.listening is not None:
        with player.in_phase("webhooks"):
            player.listen([job for kind in player.kinds for job in kind.jobs], at_last=True)


def create_jobs(player: Player, kind: Kind) -> None:
    """As many jobs as the budget allows and the stories need, by all ways of creating one."""
    ways = creates_of(player.calls, kind.resource)
    if not ways:
        player.skip(Purpose.CREATE, f"nothing creates a {kind.resource.name}, or no valid body was found for it")
        return
    if player.budget.is_read_only:
        player.skip(Purpose.CREATE, READ_ONLY)
        return
    wanted = max(player.options.several, min(len(ways), 2 * player.options.several))
    others = other_ways(player, kind, ways)
    for number in range(wanted):
        part, media_type, body = ways[number % len(ways)]
        keep = KEPT_FOR_PROBES if number else 0
        exchange = None
        for asking, detail in askings(player, number if kind.jobs else 0, part, media_type, body):
            exchange = player.start(part, Purpose.CREATE, asking, detail, keep=keep)
            if exchange is None or exchange.status not in _UNFIT:
                break
        if exchange is None:
            break
        player.take_job(kind, part, exchange)
        if number + 1 < wanted and is_order_told(player, kind):
            player.pace.let_pass(BETWEEN)
        if not kind.jobs and exchange.status in _UNFIT:  # more may be asked for than the contract says
            ways = [*ways[: number + 1], *islice(others, 1), *ways[number + 1 :]]


def askings(
    player: Player, number: int, part: JobOperation, media_type: str, body: Any
) -> Iterator[tuple[Asking, str]]:
    """The n-th create: as cheap as can be; with little but unusual characters; with other values than these.

    The last may be asking too much (not every model makes every size), and is then sent as the first was.
    """
    schema = (part.operation.body[media_type].get("schema") or {}) if media_type else {}
    if number == 1 and media_type:
        bare = player.calls.bodies.bare(schema, body)
        for plain in [bare, body] if bare != body else [body]:
            unusual = player.calls.bodies.unusual(schema, plain)
            yield player.asking(body=unusual, media_type=media_type), UNUSUAL if unusual != plain else ""
    if number == 2 and media_type and (varied := player.calls.bodies.varied(schema, body)) is not None:
        yield player.asking(body=varied, media_type=media_type, has_charset=True), OTHER_VALUES
    yield player.asking(body=body, media_type=media_type), ""


def is_order_told(player: Player, kind: Kind) -> bool:
    """Whether lists tell instants of creation, by which their order can be seen if the creates are apart."""
    return any(part.view and "created" in part.view.fields for part in player.parts(kind, Action.LIST))


def other_ways(player: Player, kind: Kind, ways: Sequence[Way]) -> Iterator[Way]:
    """Further valid bodies, for a service that refuses the cheapest one."""
    for part, media_type, body in ways:
        if media_type:
            node = part.operation.body[media_type]
            examples = player.contract.document.examples(node)
            for other in player.calls.bodies.all_valid(node.get("schema") or {}, examples):
                if other != body:
                    yield part, media_type, other


def look_at_unfinished(player: Player, kind: Kind) -> None:
    """What should be refused while a job is at work; one is cancelled, and the simulator lets one fail."""
    if not kind.jobs:
        return
    first = kind.jobs[0]
    if not first.is_over:
        for part in player.parts(kind, Action.CONTENT, Action.RESULT):
            player.send(part, Purpose.FETCH_EARLY, player.asking(job=first.id))
            player.poll(first)  # which shows that it was early
    for part in player.parts(kind, Action.LIST):
        player.send(part, Purpose.LIST, player.asking(), "while jobs run")
    cancel = kind.resource.first(Action.CANCEL)
    running = [job for job in kind.jobs[1:] if not job.is_over]
    if cancel and running:
        job = running.pop(0)
        if player.options.second_key and not player.calls.is_open(cancel.operation):
            player.send(cancel, Purpose.SECOND_KEY, Asking(player.options.second_key, job.id), "at work")
            player.poll(job)
        for detail in ("at work", "again"):
            player.send(cancel, Purpose.CANCEL, player.asking(job=job.id), detail)
            player.poll(job)
    if isinstance(player.pace, Moving) and running and State.FAILED in kind.resource.words:
        player.pace.let_pass(min(j.wait or 0.0 for j in running))
        player.poll(running[-1])  # one that has ended meanwhile is left as it is: its end was told
        if not running[-1].is_over and player.pace.fail(running[-1].id):
            player.poll(running[-1])


def follow_up(player: Player, kind: Kind) -> None:
    """Jobs that start from one that has succeeded."""
    done = next((j for j in kind.jobs if j.last and j.last.state is State.SUCCEEDED), None)
    parts = sorted(player.parts(kind, Action.FOLLOW_UP), key=lambda part: not part.links_source)
    if parts and done is None:
        player.skip(Purpose.FOLLOW_UP, READ_ONLY if player.budget.is_read_only else "no job was seen to succeed")
    for part in parts if done else ():
        assert done is not None
        body, media_type = player.calls.body_for(part.operation, part, job=done.id)
        if media_type:  # so that it can be told from its source
            body = player.calls.bodies.reworded(part.operation.body[media_type].get("schema") or {}, body)
        asking = player.asking(job=done.id, body=body, media_type=media_type)
        exchange = player.start(part, Purpose.FOLLOW_UP, asking, keep=KEPT_FOR_PROBES)
        if exchange is not None:
            player.take_job(kind, part, exchange)


def end_jobs(player: Player, kind: Kind) -> None:
    """What takes a job away: by those who must not, then by its owner, and what is left of it."""
    main, ending = kind.main, player.parts(kind, *ENDING)
    if main is None or player.budget.is_read_only:
        for part in ending:
            player.skip(Purpose.CANCEL if part.action is Action.CANCEL else Purpose.DELETE, READ_ONLY
                      if player.budget.is_read_only else "there is no job")  # fmt: skip
        return
    for part in ending:
        probe_keys(player, part, main.id)
    for part in player.parts(kind, Action.CANCEL):
        player.send(part, Purpose.CANCEL, player.asking(job=main.id), "ended")
    delete = kind.resource.first(Action.DELETE)
    if delete is None:
        return
    player.send(delete, Purpose.DELETE, player.asking(job=main.id))
    for part in player.parts(kind, *SAFE):
        player.send(part, Purpose.AFTER_DELETE, player.asking(job=main.id))
    player.send(delete, Purpose.AFTER_DELETE, player.asking(job=main.id))
    for part in player.parts(kind, Action.FOLLOW_UP):
        body, media_type = player.calls.body_for(part.operation, part, job=main.id)
        asking = player.asking(job=main.id, body=body, media_type=media_type)
        try_wrong(player, kind, part, Purpose.AFTER_DELETE, asking, "")
    if not player.options.keep:
        ids = dict.fromkeys([*(job.id for job in kind.jobs if job.id != main.id), *kind.strays])
        left = [
            id for id in ids if player.send(delete, Purpose.DELETE, player.asking(job=id), "clean up").status >= 400
        ]
        if left:
            player.skip("clean up", f"{len(left)} jobs could not be deleted, and stay: {', '.join(left)[:300]}")
