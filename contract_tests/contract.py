"""A spec as the checks see it: its document with the links that its jobs imply, and refusals that can be told apart."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from contract_tests.refusals import Refusals
from mockserver.errors import MockserverError
from mockserver.jobs.resource import Action, JobOperation, JobResource, Pointer
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.loading.providers import load_provider
from mockserver.openapi.document import Document, Node
from mockserver.openapi.schema import Shape, Validator, shape_of


@dataclass(frozen=True, slots=True)
class ContractUnderTest:
    """A provider's contract. `document` describes answers under the statuses that `refusals` shows for them."""

    name: str
    document: Document
    parts: tuple[JobOperation, ...]
    refusals: Refusals
    vocabulary: Vocabulary
    resources: tuple[JobResource, ...] = ()

    def credentials(self, key: str) -> dict[str, dict[str, str]]:
        """The key as each security scheme wants it: schemathesis' `auth.openapi`."""
        schemes = (self.document.root.get("components") or {}).get("securitySchemes") or {}
        return {name: _credential(self.document.resolve(scheme), key) for name, scheme in schemes.items()}


def load_contract(spec: str) -> ContractUnderTest:
    """The contract of a bundled provider's name, a folder or a file. Raises MockserverError."""
    provider = load_provider(spec)
    contract = provider.contract
    refusals = Refusals(contract)
    document = Document(deepcopy(contract.document.root), contract.document.origin)
    for status in refusals.success_statuses:
        _tell_refusals_apart(document, refusals, str(status))
    for resource in contract.resources:
        _add_links(document, resource)
    parts = tuple(part for resource in contract.resources for part in resource.operations)
    return ContractUnderTest(provider.name, document, parts, refusals, contract.vocabulary, contract.resources)


def _credential(scheme: Any, key: str) -> dict[str, str]:
    if not isinstance(scheme, dict):
        return {"bearer": key}
    if scheme.get("type") == "apiKey":
        return {"api_key": key}
    return {"username": key, "password": key} if str(scheme.get("scheme")).lower() == "basic" else {"bearer": key}


# -- links ------------------------------------------------------------------------------------------


def _add_links(document: Document, resource: JobResource) -> None:
    """Lead from each answer that tells a job's id, and from its deletion, to all operations that take one.

    And from a list to create: schemathesis begins histories with what it holds for likely to succeed, and it holds
    a create that takes the id of something unknown (a group, say) for unlikely.
    """
    by_id = [part for part in resource.operations if part.id_place]
    creates = [part for part in resource.operations if part.action is Action.CREATE]
    for part in resource.operations:
        answer, id = part.operation.success(), _told_id(part)
        operation = document.find(part.operation.name)
        if answer and id and operation:
            targets = [*by_id, *creates] if part.action is Action.LIST else by_id
            links = {f"{part.operation.id} to {target.operation.id}": _link(target, id) for target in targets}
            responses = operation.raw["responses"]
            responses[answer.status] = {**document.resolve(responses[answer.status]), "links": links}


def _told_id(part: JobOperation) -> str:
    """The runtime expression for the id of the job that an answer is about; of a list's first one."""
    if part.action is Action.DELETE and part.id_place and part.id_place.place == "path":
        return f"$request.path.{part.id_place.pointer[0]}"
    if not part.view or "id" not in part.view.fields:
        return ""
    pointer = (*part.view.pointer, *part.view.fields["id"][0])
    return "$response.body#/" + "/".join("0" if token == "*" else token for token in pointer)


def _link(target: JobOperation, id: str) -> Node:
    """A link that puts an id where an operation takes it, if it takes one."""
    path = target.operation.path.replace("~", "~0").replace("/", "~1")
    link: Node = {"operationRef": f"#/paths/{path}/{target.operation.method.lower()}"}
    if target.id_place is None:
        return link
    if target.id_place.place != "body":
        return {**link, "parameters": {f"{target.id_place.place}.{target.id_place.pointer[0]}": id}}
    body: Any = id
    for token in reversed(target.id_place.pointer):
        body = {token: body}
    return {**link, "requestBody": body}


# -- refusals with the status of a success ----------------------------------------------------------


def _tell_refusals_apart(document: Document, refusals: Refusals, status: str) -> None:
    """Give the branches of a success answer that describe refusals a 4XX of their own.

    So a refusal's body under a success, and the reverse, is a fault that a schema check can see.
    """
    for operation in document.operations:
        for answer in operation.answers:
            media = answer.json_media()
            if answer.status != status or not media:
                continue
            good, bad = _branches(document, refusals, media[1].get("schema") or {})
            responses = operation.raw["responses"]
            responses[status] = _with_schema(answer.raw, media[0], good)
            responses.setdefault("4XX", _with_schema(answer.raw, media[0], bad))


def _branches(document: Document, refusals: Refusals, schema: Node) -> tuple[Node, Node]:
    """What a schema says of successes and of refusals; twice the whole where it does not tell them apart."""
    options = schema.get("oneOf") or schema.get("anyOf") or []
    bad = [option for option in options if _describes_refusals(document, refusals, option)]
    good = [option for option in options if option not in bad]
    return ({"anyOf": good}, {"anyOf": bad}) if good and bad else (schema, schema)


def _describes_refusals(document: Document, refusals: Refusals, schema: Node) -> bool:
    properties = shape_of(document, schema).properties
    return any(
        all(n in properties and Validator(document, properties[n], "response").is_valid(v) for n, v in numbers.items())
        for numbers in refusals.marks()
    )


def _with_schema(raw: Node, media_type: str, schema: Node) -> Node:
    """An answer with another schema, and without examples, which may be of either kind."""
    content = {name: node for name, node in raw["content"].items() if name != media_type}
    return {**raw, "content": {**content, media_type: {"schema": schema}}}


def shape_at(document: Document, schema: Any, pointer: Pointer) -> Shape | None:
    """What a document says of a place below a schema; None where it says nothing, or nothing that can be read."""
    try:
        shape = shape_of(document, schema)
        for token in pointer:
            inner = shape.items if token == "*" else shape.properties.get(token)
            if inner is None:
                return None
            shape = shape_of(document, inner)
    except MockserverError:
        return None
    return shape
