"""Presigned links of object stores: the fields that the store's answer is to have are parameters, and signed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import reduce
from urllib.parse import parse_qsl, quote, urlsplit

_PARAMETERS = {
    "Content-Type": "response-content-type",
    "Content-Disposition": "response-content-disposition",
    "Cache-Control": "response-cache-control",
}
"""What a store takes over into its answer (Amazon S3 API, GetObject). Other fields of ours have no place there."""

_SIGNATURE = "X-Amz-Signature"


def with_headers(url: str, headers: Mapping[str, str], secret_key: str) -> str:
    """Return a presigned GET (AWS Signature Version 4 in the query, only the host signed) for an answer with `headers`.

    obstore signs no parameters, so its link is signed once more, with these (Amazon S3 API, "Authenticating requests:
    using query parameters").
    """
    parts = urlsplit(url)
    wanted = [(_PARAMETERS[name], value) for name, value in headers.items() if name in _PARAMETERS]
    given = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != _SIGNATURE]
    query = "&".join(sorted(f"{_encoded(name)}={_encoded(value)}" for name, value in given + wanted))
    request = f"GET\n{parts.path}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    signature = _signature(dict(given), request, secret_key)
    return parts._replace(query=f"{query}&{_SIGNATURE}={signature}").geturl()


def _signature(parameters: Mapping[str, str], request: str, secret_key: str) -> str:
    scope = parameters["X-Amz-Credential"].split("/", 1)[1]  # day/region/service/aws4_request
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{parameters['X-Amz-Date']}\n{scope}\n{digest}"
    return reduce(_mac, [*scope.split("/"), text], f"AWS4{secret_key}".encode()).hex()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), hashlib.sha256)


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
