"""Why an object store cannot be used: the library's words in ours, with the setting to look at."""

from __future__ import annotations

import pytest

from app.storage.objectfaults import explain

SENT = "Generic S3 error: Error performing GET http://store:9000/films in 1ms"
REFUSED = f"{SENT} - Server returned non-2xx status code"
LOST = f"{SENT}, after 4 retries - HTTP error: error sending request\n\nDebug source:\nGeneric {{ inner:"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{REFUSED}: 403 Forbidden: <Error><Code>InvalidAccessKeyId</Code>", "S3_ACCESS_KEY"),
        (f"{REFUSED}: 403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code>", "S3_SECRET_KEY"),
        (f"{REFUSED}: 403 Forbidden: <Error><Code>AccessDenied</Code>", "list, get, put and delete"),
        (f"{REFUSED}: 404 Not Found: <Error><Code>NoSuchBucket</Code>", "S3_BUCKET"),
        (f"{REFUSED}: 400 Bad Request: <Error><Code>AuthorizationHeaderMalformed</Code>", "S3_REGION"),
        (f"{REFUSED}: 403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code>", "clock"),
        (f"{REFUSED}: 418 I'm a teapot: <Error><Code>Teapot</Code>", "418 Teapot"),
        (f"{REFUSED}: 404 Not Found: nothing here", "no object store"),
        (f"{LOST} ConnectError(dns error, failed to lookup address)", "no such host"),
        (f"{LOST} ConnectError(tcp connect error, Connection refused)", "nothing listens"),
        (f"{LOST} InvalidCertificate(UnknownIssuer)", "TLS"),
        (f"{LOST} TimedOut", "in time"),
        (f"{LOST} Network is unreachable", "no way to it"),
        ("Error performing PUT http://169.254.169.254/latest/api/token - HTTP error", "no key is set"),
        (f"{SENT} - something new\n\nDebug source: everything", "something new"),
    ],
)
def test_a_fault_is_told_in_one_sentence_that_says_where_to_look(text: str, words: str) -> None:
    error = RuntimeError("ours")
    error.__cause__ = ValueError(text)

    sentence = explain(error, "films", "http://store:9000")

    assert sentence.startswith("the bucket films cannot be used: ")
    assert sentence.endswith("looked for at http://store:9000")
    assert words in sentence
    assert "Debug source" not in sentence
    assert "\n" not in sentence
