"""Why an object store cannot be used, in words that name the setting to look at: for the start of the service and for
`ballast doctor`. The library's own text has the address, nanoseconds, XML and a dump of its state."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")

_CODES = {
    "NoSuchBucket": "it is not there (BALLAST_STORAGE__S3_BUCKET)",
    "InvalidBucketName": "it cannot have this name (BALLAST_STORAGE__S3_BUCKET)",
    "InvalidAccessKeyId": "the store does not know the key id (BALLAST_STORAGE__S3_ACCESS_KEY)",
    "SignatureDoesNotMatch": "the secret is not that of the key id (BALLAST_STORAGE__S3_SECRET_KEY)",
    "AccessDenied": "the key may not do this in the bucket; it needs to list, get, put and delete objects "
    "(BALLAST_STORAGE__S3_ACCESS_KEY)",
    "AuthorizationHeaderMalformed": "it is in another region (BALLAST_STORAGE__S3_REGION)",
    "PermanentRedirect": "it is in another region, or at another address (BALLAST_STORAGE__S3_REGION, "
    "BALLAST_STORAGE__S3_ENDPOINT)",
    "RequestTimeTooSkewed": "the clock of this machine differs from the store's",
}
"""Error codes of the Amazon S3 API reference ("Error responses")."""


@dataclass(frozen=True, slots=True)
class _Sign:
    """Words in the library's text, in lower case, and what they mean."""

    words: tuple[str, ...]
    meaning: str


_SIGNS = (
    _Sign(
        ("169.254.169.254", "latest/api/token", "credential"),
        "no key is set, and this machine has no role of its own (BALLAST_STORAGE__S3_ACCESS_KEY, "
        "BALLAST_STORAGE__S3_SECRET_KEY)",
    ),
    _Sign(("dns error", "failed to lookup"), "there is no such host (BALLAST_STORAGE__S3_ENDPOINT)"),
    _Sign(("connection refused",), "nothing listens there (BALLAST_STORAGE__S3_ENDPOINT)"),
    _Sign(
        ("certificate", "invalidcontenttype", "tls", "corrupt message"),
        "no trusted TLS is spoken there (https or http in BALLAST_STORAGE__S3_ENDPOINT?)",
    ),
    _Sign(("timed out", "timedout"), "nothing answers there in time (BALLAST_STORAGE__S3_ENDPOINT)"),
    _Sign(("network is unreachable", "no route to host"), "there is no way to it (BALLAST_STORAGE__S3_ENDPOINT)"),
)


def explain(error: BaseException, bucket: str, address: str) -> str:
    """Return in one sentence why the bucket at this address cannot be used; no key is in it."""
    return f"the bucket {bucket} cannot be used: {_reason(error)}; looked for at {address}"


def _reason(error: BaseException) -> str:
    text = " ".join(_chain(error))
    code, status = _CODE.search(text), _STATUS.search(text)
    if code is not None:
        meaning = _CODES.get(code[1], "the store refuses")
        return f"{meaning}; it answers {status[1] if status else ''} {code[1]}".replace("  ", " ")
    low = text.lower()
    for sign in _SIGNS:
        if any(words in low for words in sign.words):
            return sign.meaning
    if status is not None:
        return f"what answers {status[1]} there is no object store (BALLAST_STORAGE__S3_ENDPOINT)"
    return " ".join(text.partition("Debug source")[0].split())[:300]


def _chain(error: BaseException | None) -> list[str]:
    """Return the texts of an error and of what caused it."""
    return [] if error is None else [str(error), *_chain(error.__cause__)]
