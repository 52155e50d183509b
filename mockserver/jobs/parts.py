"""Which part an operation plays for a kind of job, by its method, its path, its answer, and where it names the job."""

from dataclasses import replace

from mockserver.errors import DeclarationError
from mockserver.jobs.answers import Answers, Told, media_types
from mockserver.jobs.declaration import FollowUpDeclaration
from mockserver.jobs.ids import id_text
from mockserver.jobs.kinds import Kind
from mockserver.jobs.paths import bare, collection_of, last_word, nouns_of, path_parameters, path_to
from mockserver.jobs.resource import Action, IdPlace, JobOperation
from mockserver.jobs.views import LIFELIKE, find_reference
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import Operation
from mockserver.openapi.schema import shape_of


class Parts:
    """The parts that are still to be found, for all kinds of a document."""

    def __init__(self, answers: Answers, kinds: list[Kind]) -> None:
        self.answers = answers
        self.document = answers.document
        self.vocabulary = answers.vocabulary
        self.collections = {collection_of(kind.retrieve.path) for kind in kinds}
        self.homes = {kind.path for kind in kinds if kind.path}
        self.homes_above: dict[str, tuple[str, ...]] = {}
        self.readable = {bare(o.path) for o in answers.getters()}
        self.orphans = {kind.retrieve.name: kind.place for kind in kinds if not kind.creates}

    def conclude(self, operation: Operation, jobs: Kind) -> tuple[Action, str, float] | None:
        """What an operation does to jobs, by its method, its path and its answer, and why that is concluded."""
        path, place = bare(operation.path), jobs.path
        if operation.method == "GET" and self._lists(operation, jobs):
            return Action.LIST, "a list on the collection's path", 0.9
        by_id = self._job_place(operation, jobs)
        if (
            by_id is None
            and operation.name in self.orphans
            and self._same_schema(operation, jobs)
            and self.answers.schema_name(jobs.view)
        ):
            return Action.RETRIEVE, "answers with the same job, and nothing else creates what it reads", 0.7
        if by_id is None:
            return self.starting(operation, jobs) if operation.method == "POST" else None
        inside = jobs.holds(operation)
        if operation.method in ("POST", "PUT", "PATCH", "DELETE", "GET") and self.answers.is_for(
            "cancel", operation, True
        ):
            if inside and "{}" in path[len(place) :]:
                return None  # of something below the job
            return Action.CANCEL, "named for it, by the job's id", 0.9
        match operation.method:
            case "DELETE" if path == place or not inside:
                return Action.DELETE, "DELETE on the job's path" if path == place else "DELETE by the job's id", 0.9
            case "GET" if media_types(operation):
                return Action.CONTENT, "answers with media by the job's id", 0.9
            case "GET":
                return self._reading(operation, jobs, path == place)
            case "POST" if path == place:
                return None  # an update of the job
            case "POST" | "PUT" | "PATCH" if (
                inside and self.answers.is_for("act", operation) and self._same_schema(operation, jobs)
            ):
                return Action.RETRIEVE, "acts on the job, and answers with it as it is", 0.6
            case "POST":
                return self.starting(operation, jobs)
        return None

    def _same_schema(self, operation: Operation, jobs: Kind) -> bool:
        view = self.answers.view(operation)
        return (
            view is not None
            and "status" in view.fields
            and self.answers.schema_name(view) == self.answers.schema_name(jobs.view)
        )

    def _job_place(self, operation: Operation, jobs: Kind) -> IdPlace | None:
        """Where a request names a job of this kind, if it does."""
        path = bare(operation.path)
        least = len(jobs.path) * ((path + "/").startswith(jobs.path + "/"))
        if any(home != jobs.path and len(home) > least for home in self._homes_above(path)):
            return None  # below a job of another kind
        if jobs.holds(operation) or (jobs.path and bare(operation.path) == jobs.path):
            return self._path_place(operation, jobs)
        for place in self.answers.places(operation):
            if jobs.names(place) and (place.place != "body" or operation.method != "GET"):
                other = path_to(operation.path, place)  # which may be read as something else of that name
                return place if other == jobs.path or other not in self.readable else None
        return None

    def _homes_above(self, path: str) -> tuple[str, ...]:
        """The paths of jobs that a bare path is, or lies below; remembered."""
        found = self.homes_above.get(path)
        if found is None:
            ends = [n for n, sign in enumerate(path) if sign == "/" and n] + [len(path)]
            found = self.homes_above[path] = tuple(path[:n] for n in ends if path[:n] in self.homes)
        return found

    def _reading(self, operation: Operation, jobs: Kind, same_path: bool) -> tuple[Action, str, float] | None:
        """A further GET by a job's id: the job once more, or its result."""
        view = self.answers.view(operation)
        if (
            view is not None
            and view.sureness >= LIFELIKE
            and (same_path or self.answers.schema_name(view) == self.answers.schema_name(jobs.view))
        ):
            return Action.RETRIEVE, "reads the job too", 0.8
        last = last_word(operation)
        is_result = self.answers.is_for("read", operation) or self.vocabulary.rank("roles", "result", last) is not None
        if view is not None and view.sureness >= LIFELIKE:
            return None  # something else with a life of its own
        if self.answers.tell(operation, in_list=True).view and not self.answers.tell(operation).view and not is_result:
            return None
        if same_path or is_result or (view is not None and "result" in view.fields):
            return Action.RESULT, "reads by the job's id, and tells no status", 0.7
        return None

    def _lists(self, operation: Operation, jobs: Kind) -> bool:
        """Whether an operation lists jobs: on the path that they hang below, or with the same things in it."""
        path = bare(operation.path)
        homes = {collection_of(jobs.retrieve.path), *(bare(o.path) for o, *_ in jobs.creates if "{" not in o.path)}
        if path in self.collections - homes or path == jobs.path:
            return False  # another kind's
        view = self.answers.view(operation, in_list=True)
        if view is None:
            return False
        if path in homes:
            return True
        same = self.answers.schema_name(view) and self.answers.schema_name(view) == self.answers.schema_name(jobs.view)
        words = set(map(str, view.words.values())) & set(map(str, jobs.view.words.values()))
        about = set(nouns_of(self.vocabulary, operation.path)) & set(nouns_of(self.vocabulary, jobs.retrieve.path))
        alike = same or (len(words) > 1 and view.sureness >= LIFELIKE)
        named = id_text(self.answers, jobs, []).rpartition("/")[0]  # `operations` for `operations/{id}`
        near = same and bool(named) and "{" not in named and path.endswith("/" + named)
        near = near or any(home.count("/") > 1 and (path.startswith(home) or home.startswith(path)) for home in homes)
        if "{" in path and any(jobs.names(place) for place in self.answers.places(operation)):
            return False
        ours = nouns_of(self.vocabulary, collection_of(jobs.retrieve.path))[-1:]
        if "{" in path and not same and not set(ours) & set(nouns_of(self.vocabulary, operation.path)):
            return False  # other things of what the jobs belong to
        whole = self.answers.tell(operation).view  # a job with others in it is no list
        return bool(alike and (near or about) and not (whole and whole.sureness >= LIFELIKE and "{" in path))

    def starting(self, operation: Operation, jobs: Kind) -> tuple[Action, str, float] | None:
        """Whether a POST starts a job, from an earlier one or not."""
        answer = self.answers.view(operation)
        if answer is None:
            return None
        path, collection = bare(operation.path), collection_of(jobs.retrieve.path)
        name = self.answers.schema_name(answer)
        same = (
            bool(name) and name == self.answers.schema_name(jobs.view) and path not in self.collections - {collection}
        )
        if path == jobs.path:
            return None
        if jobs.holds(operation):
            # A pause or a comment below a job answers with an id too: what starts a job is asked for, and has a status.
            other = (
                bool(name) and bool(self.answers.schema_name(jobs.view)) and name != self.answers.schema_name(jobs.view)
            )
            starts = answer.words and operation.body and not other
            return (Action.FOLLOW_UP, "starts a job below an earlier one", 0.8) if starts else None
        if same and self._names_a_job(operation, jobs):
            return Action.FOLLOW_UP, "answers with the job, and names an earlier one", 0.8
        if "id" in answer.fields and path == collection:
            return Action.CREATE, "POST on the collection's path", 0.8
        return (Action.CREATE, "answers with the same job", 0.7) if "id" in answer.fields and same else None

    def starts_from_a_job(self, operation: Operation, jobs: Kind, told: Told) -> bool:
        if jobs.holds(operation):
            return True
        if any(jobs.names(place) and place.place == "path" for place in self.answers.places(operation)):
            return True
        view = told.view
        same = (
            view is not None
            and self.answers.schema_name(view)
            and self.answers.schema_name(view) == self.answers.schema_name(jobs.view)
        )
        return bool(same) and self._names_a_job(operation, jobs) is not None

    def made(self, operation: Operation, action: Action, jobs: Kind) -> JobOperation:
        told = self.answers.tell(operation, in_list=action is Action.LIST)
        if action is Action.LIST and told.view is None:
            raise DeclarationError(f"{jobs.wishes.where}.list: the answer of {operation.name} holds no list of jobs.")
        is_free = action in (Action.CREATE, Action.LIST)
        place = None if is_free else self._job_place(operation, jobs) or self.orphans.get(operation.name)
        if place is None and not is_free:
            place = self._path_place(operation, jobs)
        if place is None and not is_free:
            place = next(iter(self.answers.places(operation)), None)
        part = part_of(operation, action, told, place)
        if action is Action.CONTENT:
            parameter, variants = self._variants(operation)
            part = replace(part, variant_parameter=parameter, variants={**variants, **jobs.wishes.variants})
        return part

    def follow_up(self, operation: Operation, jobs: Kind, how: FollowUpDeclaration) -> JobOperation:
        place = IdPlace("body", how.source) if how.source else self._names_a_job(operation, jobs)
        if place is None:
            raise DeclarationError(
                f"{self.document.origin}: x-job: follow-up {operation.id!r}: no field names the earlier job. "
                "Give its place: `source: /field/id`."
            )
        part = part_of(operation, Action.FOLLOW_UP, self.answers.tell(operation), place)
        return replace(part, sums=how.sums, links_source=how.links_source)

    def _names_a_job(self, operation: Operation, jobs: Kind) -> IdPlace | None:
        if jobs.holds(operation):
            return self._path_place(operation, jobs)
        for place in self.answers.places(operation):
            if place.place == "path" and jobs.names(place):
                return place
        wanted = {plain(p) for p in path_parameters(jobs.retrieve.path)} | {plain(jobs.name) + "id"}
        wanted |= set(self.vocabulary.ranks["roles"]["source"])
        wanted.discard("id")
        for media in operation.body.values():
            if pointer := find_reference(self.document, media.get("schema"), wanted):
                return IdPlace("body", pointer)
        return None

    def _path_place(self, operation: Operation, jobs: Kind) -> IdPlace | None:
        """The parameter of a path that names the job: the one where the job's own path has it, else the last."""
        names = path_parameters(operation.path)
        if not names:
            return None
        position = bare(jobs.path).count("{}") - 1
        return IdPlace("path", (names[position if jobs.holds(operation) and position < len(names) else -1],))

    def _variants(self, operation: Operation) -> tuple[str, dict[str, str]]:
        """The query parameter that chooses what is downloaded, with the media type of each of its values."""
        types = media_types(operation)
        stills = [t for t in types if t.startswith("image/")]
        main = next((t for t in types if not t.startswith("image/")), types[0] if types else "application/octet-stream")
        for parameter in operation.parameters:
            values = shape_of(self.document, parameter.schema).constants
            if parameter.place == "query" and values and stills:
                chosen = {}
                for value in map(str, values):
                    is_sheet = self.vocabulary.rank("variants", "sheet", value) is not None
                    is_still = self.vocabulary.rank("variants", "still", value) is not None
                    chosen[value] = stills[-1] if is_sheet else stills[0] if is_still else main
                return parameter.name, chosen
        return "", {}


def part_of(operation: Operation, action: Action, told: Told, place: IdPlace | None) -> JobOperation:
    ended = told.ended if action is Action.RETRIEVE else None
    return JobOperation(operation, action, told.view, place, answer=told.answer, schema=told.schema, ended=ended)
