"""Signatures of webhooks, as Standard Webhooks has them: what a secret looks like, and whether a delivery is signed."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from typing import Any

SECRET = "whsec_"  # begins a secret; the rest is base64 of 24 to 64 bytes (Standard Webhooks)
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")  # the headers of a signed delivery

Verify = Callable[[bytes, Mapping[str, str]], str]


def is_secret(value: Any) -> bool:
    """Whether it is a secret as Standard Webhooks writes them."""
    if not isinstance(value, str) or not value.startswith(SECRET):
        return False
    try:
        return 24 <= len(b64decode(value[len(SECRET) :], validate=True)) <= 64
    except (NotBase64, ValueError):
        return False


def is_broken_secret(value: str) -> bool:
    """Whether a text begins as such a secret and is none."""
    return value.startswith(SECRET) and not is_secret(value)


def verifier(secret: str) -> Verify:
    """What tells why a delivery is not signed with a secret, '' if it is. Any text that is no such secret is a key."""
    from standardwebhooks import Webhook, WebhookVerificationError

    webhook = Webhook(secret if is_secret(secret) else secret.encode())

    def verify(body: bytes, headers: Mapping[str, str]) -> str:
        try:
            webhook.verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as error:
            return str(error) or "not verified"
        except (ValueError, IndexError, OverflowError) as error:  # the library reads headers in good faith
            return type(error).__name__
        return ""

    return verify
