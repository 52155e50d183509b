"""One exchange as a report shows it: trimmed, without secrets; and the commands that show it again."""

import re
from collections.abc import Iterable, Sequence
from shlex import quote as shell_quoted
from urllib.parse import unquote_plus

from contract_tests.finding import Evidence
from contract_tests.history import Exchange, Purpose
from contract_tests.report.shown import shown
from mockserver.instants import write_instant
from mockserver.masking import Masking

MOST_BODY = 2_000  # characters of a body that are shown
MOST_SENT = 4_000  # bytes of a body that stand in a command
_LOOKED_AT = 65_536  # bytes of a body in which secrets are looked for; no more of it is shown
_MOST_HEADERS = 60
_MOST_HEADER = 400
NO_SECRETS = ("malformed", "empty")  # details of wrong keys that are none
_CLIENTS_OWN = {"host", "content-length", "accept-encoding", "connection", "user-agent", "transfer-encoding"}
_SCHEME = re.compile(r"(?i)(apikey|basic|bearer|digest|key|token) +\S")
_VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PLAIN_WORD = re.compile(r"[\w .-]*", re.ASCII)
_TEXTUAL = ("text/", "application/json", "application/xml", "application/x-www-form-urlencoded", "multipart/")


def evidence(exchange: Exchange, masking: Masking) -> Evidence:
    """An exchange's request and answer as text, with secrets masked and long or binary bodies told by their size."""
    target = _url(exchange.url, masking)
    asked = [f"{exchange.method} {target}", *_headers(exchange.request_headers, masking)]
    sent = _body(exchange.request_body, len(exchange.request_body), _type_of(exchange.request_headers), masking)
    return Evidence(
        exchange.number,
        _text(asked, sent),
        _answer(exchange, masking),
        _instant(exchange.started),
    )


def curl(exchange: Exchange, masking: Masking | None = None, key: str = "", second_key: str = "") -> str:
    """The exchange as a curl line. What bash would not take literally is written as `$'…'`.

    `key` and `second_key` are the names of the variables that hold the keys (`KEY`, `SECOND_KEY`); one that is to be
    refused stands as `$BAD_KEY`, and what is no key at all as it was sent.
    """
    names = {Purpose.SECOND_KEY: second_key or "SECOND_KEY", Purpose.BAD_KEY: "BAD_KEY"}
    name = names.get(exchange.purpose, key or "KEY")
    if exchange.purpose == Purpose.BAD_KEY and exchange.detail in NO_SECRETS:
        name = ""
    elif not _VARIABLE.fullmatch(name):
        name = "KEY"
    return _curl(exchange, masking or Masking(), name)


def check_line(url: str, spec: str, options: Sequence[tuple[str, str]] = (), masking: Masking | None = None) -> str:
    """The command that checks an endpoint (without a URL: what was recorded of one) again; `--only` can be added.

    `options` are those that were given, with their values ('' for none): without them it would be another check.
    """
    target = quoted(_url(url, masking or Masking())) if url else "--from-har FILE.har"
    words = ["mockserver", "check", target, "--spec", quoted(spec)]
    return " ".join([*words, *(f"{name} {quoted(value)}" if value else name for name, value in options)])


def quoted(text: str) -> str:
    """A text as one word of a shell's line, in printable characters alone."""
    if text.isascii() and text.isprintable():
        return shell_quoted(text)
    pieces = []
    for sign in text.encode("utf-8", "replace").decode():
        if sign in "\\'":
            pieces.append(f"\\{sign}")
        elif sign.isascii() and sign.isprintable():
            pieces.append(sign)
        else:  # as bytes, which no locale changes
            pieces.append("".join(f"\\{byte:03o}" for byte in sign.encode()))
    return f"$'{''.join(pieces)}'"


# -- what is shown ----------------------------------------------------------------------------------


def _answer(exchange: Exchange, masking: Masking) -> str:
    if not exchange.status:
        return shown(masking.text(f"no answer: {exchange.problem or 'the reason is not known'}"))
    first = f"{exchange.status} after {exchange.seconds:.3f} s"
    size = max(exchange.size, len(exchange.body))
    body = _body(exchange.body, size, exchange.media_type, masking)
    if exchange.problem:
        body += shown(masking.text(f"\n({exchange.problem})"))
    if exchange.is_cut:
        body += f"\n({len(exchange.body):,} of {size:,} bytes were kept)"
    return _text([first, *_headers(exchange.headers, masking)], body)


def _text(lines: Iterable[str], body: str) -> str:
    return "\n".join([*lines, *(["", body] if body else [])])


def _headers(headers: tuple[tuple[str, str], ...], masking: Masking) -> Iterable[str]:
    for name, value in headers[:_MOST_HEADERS]:
        yield shown(f"{masking.text(name)}: {masking.header(name, value)}", _MOST_HEADER).replace("\n", "\\n")
    if len(headers) > _MOST_HEADERS:
        yield f"({len(headers) - _MOST_HEADERS:,} more headers)"


def _type_of(headers: tuple[tuple[str, str], ...]) -> str:
    value = next((value for name, value in headers if name.lower() == "content-type"), "")
    return value.partition(";")[0].strip().lower()


def _body(body: bytes, size: int, media_type: str, masking: Masking) -> str:
    """A body as text, where it is one; else its size and type."""
    if not body:
        return ""
    text = body[:_LOOKED_AT].decode("utf-8", "replace")
    if not _is_text(text, media_type):
        return f"({size:,} bytes of {shown(media_type, 80) or 'no declared type'})"
    is_form = media_type == "application/x-www-form-urlencoded"
    text = masking.query(text) if is_form else masking.text(text)
    trimmed = shown(text[:MOST_BODY], MOST_BODY)
    return trimmed if len(text) <= MOST_BODY and size <= _LOOKED_AT else f"{trimmed}… ({size:,} bytes in all)"


def _is_text(text: str, media_type: str) -> bool:
    odd = sum(sign == "\ufffd" or (sign < " " and sign not in "\t\r\n\x1b") for sign in text[:4096])
    limit = 0.3 if media_type.startswith(_TEXTUAL) or media_type.endswith("+json") else 0.02
    return odd <= limit * min(len(text), 4096)


def _url(url: str, masking: Masking) -> str:
    address, hash, fragment = url.partition("#")
    path, mark, query = address.partition("?")
    return shown(f"{masking.text(path)}{mark}{masking.query(query)}{hash}{masking.text(fragment)}").replace("\n", "\\n")


def _instant(started: float) -> str:
    try:
        return write_instant(started)
    except (ValueError, OverflowError, OSError):
        return ""


# -- commands ---------------------------------------------------------------------------------------


def _curl(exchange: Exchange, masking: Masking, variable: str) -> str:
    method = "-I" if exchange.method == "HEAD" else f"-X {quoted(exchange.method)}"
    words = ["curl", "-sS", "-g", "-i" if method != "-I" else "", method, _address(exchange.url, variable, masking)]
    for name, value in exchange.request_headers:
        is_default = name.lower() == "accept" and value == "*/*"
        if name.lower() not in _CLIENTS_OWN and not is_default:
            words.append(f"-H {_header(name, value, variable, masking)}")
    words.extend(_data(exchange, masking))
    return " ".join(word for word in words if word)


def _header(name: str, value: str, variable: str, masking: Masking) -> str:
    if not variable and masking.names(name):
        return quoted(f"{name}: {value}")
    if name.lower() == "cookie" or not masking.names(name):
        return quoted(f"{name}: {masking.header(name, value)}") if value else quoted(f"{name};")
    scheme = f"{value.split()[0]} " if _SCHEME.match(value) else ""
    head = f"{name}: {scheme}"
    return f'"{head}${variable}"' if _PLAIN_WORD.fullmatch(head.replace(":", "")) else f'{quoted(head)}"${variable}"'


def _address(url: str, variable: str, masking: Masking) -> str:
    """The address, with a variable for each value of its query that is a secret."""
    path, mark, query = url.partition("#")[0].partition("?")
    words = [quoted(masking.text(path) + mark)]
    for index, piece in enumerate(query.split("&") if query else []):
        name, equals, value = piece.partition("=")
        lead = "&" if index else ""
        if value and masking.names(unquote_plus(name)):
            words.append(f'{quoted(f"{lead}{name}{equals}")}"${variable}"')
        else:
            words.append(quoted(f"{lead}{masking.query(piece)}"))
    if any('"$' in word for word in words):
        return "".join(words)
    return quoted(f"{masking.text(path)}{mark}{masking.query(query)}")


def _data(exchange: Exchange, masking: Masking) -> Iterable[str]:
    body = exchange.request_body
    if not body:
        return
    try:
        text = body.decode() if len(body) <= MOST_SENT else None
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text:  # which no argument can hold
        yield f"--data-binary @body.bin  # the {len(body):,} bytes of exchange {exchange.number}"
        return
    is_form = _type_of(exchange.request_headers) == "application/x-www-form-urlencoded"
    yield f"--data-raw {quoted(masking.query(text) if is_form else masking.text(text))}"
