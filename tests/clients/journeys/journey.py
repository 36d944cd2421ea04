"""Uploads, lists, analyses and deletes, with what openapi-python-client made: `journey.py URL KEY PHOTO`."""

from __future__ import annotations

import sys
from pathlib import Path

from ballast_client import AuthenticatedClient
from ballast_client.api.media import create_media, delete_media, list_media, read_content, read_media
from ballast_client.api.resumable_uploads import append_bytes, create_upload
from ballast_client.api.vision import analyze_hands, analyze_hands_batch
from ballast_client.models import Analysis, FileForm, FilesForm, Inline, MediaAnswer, MediaKind, MediaList, Problem
from ballast_client.types import File


def main(url: str, key: str, photo: Path) -> None:
    client, data = AuthenticatedClient(base_url=url, token=key), photo.read_bytes()

    as_form = create_media.sync(client=client, body=FileForm(file=_file(photo)), inline=Inline.NEVER)
    as_bytes = create_media.sync(client=client, body=_file(photo), name="bytes.jpg")
    assert isinstance(as_form, MediaAnswer), as_form
    assert isinstance(as_bytes, MediaAnswer), as_bytes
    assert (as_form.name, as_form.buffer, as_bytes.name) == (photo.name, None, "bytes.jpg")
    begun = create_upload.sync_detailed(client=client, tus_resumable="1.0.0", upload_length=len(data))
    upload_id = begun.headers["Location"].rpartition("/")[2]
    ended = append_bytes.sync_detailed(
        upload_id, client=client, body=_file(photo), tus_resumable="1.0.0", upload_offset=0
    )
    resumed = ended.headers["Ballast-Media-Id"]

    listed = list_media.sync(client=client, kind=MediaKind.IMAGE)
    assert isinstance(listed, MediaList), listed
    assert [item.id for item in listed.items] == [resumed, as_bytes.id, as_form.id]
    content = read_content.sync(as_form.id, client=client)
    assert isinstance(content, File), content
    assert content.payload.read() == data

    found = analyze_hands.sync(client=client, body=_file(photo), max_hands=1)
    assert isinstance(found, Analysis), found
    assert len(found.detections) == 1
    lines = analyze_hands_batch.sync(client=client, body=FilesForm(file=[_file(photo), _file(photo)]))
    assert isinstance(lines, File), lines
    assert len(lines.payload.read().splitlines()) == 2

    for media_id in (as_form.id, as_bytes.id, resumed):
        assert delete_media.sync_detailed(media_id, client=client).status_code == 204
    gone = read_media.sync(as_form.id, client=client)
    assert isinstance(gone, Problem), gone
    assert gone.code == "not_found"


def _file(path: Path) -> File:
    return File(path.open("rb"), path.name, "image/jpeg")


main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
