"""`ballast sign`: makes URLs that are good without a key, for a while and exactly as they stand."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from app.command import Command, CommandRefused

if TYPE_CHECKING:
    from app.media.signer import UrlSigner


class Sign(Command):
    name = "sign"
    summary = "sign URLs of media, so that they can be fetched without a key"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "urls",
            nargs="+",
            metavar="URL",
            help="a path with its query, such as '/v1/media/ID/image?width=320', or a whole address",
        )
        parser.add_argument("--seconds", type=float, help="how long they are good, at least; default: as the service's")

    def run(self, options: Namespace) -> int:
        """Print each signed; return 0.

        The secret is the service's own: from BALLAST_SERVER__URL_SECRETS, or below its storage root.
        """
        from app.configuration import read_settings
        from app.media.signer import find_signer

        settings = read_settings()
        if not settings.server.api_keys:
            raise CommandRefused("no keys are set (BALLAST_SERVER__API_KEYS): every URL is good without a signature")
        if options.seconds is not None and not 1 <= options.seconds <= 10 * 365 * 86400:
            raise CommandRefused("--seconds must be between 1 and ten years")
        try:
            signer = find_signer(settings.server, settings.storage.root, options.seconds)
        except OSError as error:
            raise CommandRefused(f"the secret of the storage root cannot be read: {error.strerror}") from error
        signed = [_signed(signer, url) for url in options.urls]
        print("\n".join(signed))
        return 0


def _signed(signer: UrlSigner, url: str) -> str:
    try:
        parts = urlsplit(url)
        parameters = parse_qsl(parts.query, keep_blank_values=True)
        path = signer.sign(parts.path, [pair for pair in parameters if pair[0] not in ("expires", "sig")])
    except ValueError as error:
        raise CommandRefused(f"{url}: {error}") from error
    return f"{parts.scheme}://{parts.netloc}{path}" if parts.netloc else path
