"""Files that earlier versions wrote are read, and what is broken is told from what is whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from app.domain.media import MediaDetails, MediaItem, MediaKind
from app.storage import metadata, stage

ITEM = MediaItem(
    id="v0jzy2m8k3f1qw9e7r5t6y",
    timestamp_key="1760000000000-qw9e7r5t6y.mp4",
    name="Döner.mp4",
    content_type="video/mp4",
    kind=MediaKind.VIDEO,
    size_bytes=12,
    sha256=None,
    path="media/video/0jzy/v0jzy2m8k3f1qw9e7r5t6y.mp4",
    created_at=datetime(2025, 10, 9, 8, 53, 20, 123456, UTC),
    details=MediaDetails(width=640, height=480, duration_seconds=1.5, frame_rate=25.0),
)

DOCUMENT = {
    "id": "v0jzy2m8k3f1qw9e7r5t6y",
    "timestampKey": "1760000000000-qw9e7r5t6y.mp4",
    "name": "Döner.mp4",
    "contentType": "video/mp4",
    "kind": "video",
    "sizeBytes": 12,
    "sha256": None,
    "path": "media/video/0jzy/v0jzy2m8k3f1qw9e7r5t6y.mp4",
    "createdAt": "2025-10-09T08:53:20.123456+00:00",
    "width": 640,
    "height": 480,
    "durationSeconds": 1.5,
    "frameRate": 25.0,
    "rotation": None,
}
"""The form on the disk. It is not changed: whoever upgrades keeps the files."""


def test_an_item_is_written_in_the_form_that_earlier_versions_read() -> None:
    assert json.loads(metadata.encode(ITEM)) == DOCUMENT
    assert metadata.decode(ITEM.id, metadata.encode(ITEM)) == ITEM


def test_a_file_from_before_the_rotation_was_kept_is_read() -> None:
    old = {key: value for key, value in DOCUMENT.items() if key != "rotation"}

    assert metadata.decode(ITEM.id, json.dumps(old).encode()) == ITEM


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"[]",
        b"7",
        json.dumps({**DOCUMENT, "kind": "film"}).encode(),
        json.dumps({**DOCUMENT, "createdAt": None}).encode(),
        json.dumps({key: value for key, value in DOCUMENT.items() if key != "path"}).encode(),
        json.dumps(DOCUMENT).encode()[:-10],
    ],
)
def test_what_is_broken_is_a_value_error(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        metadata.decode(ITEM.id, broken)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../state/url_secret",
        "media/video/0jzy/../../../state/url_secret.mp4",
        "media/video/0jzy/v0jzy2m8k3f1qw9e7r5t6z.mp4",
        "media/image/0jzy/v0jzy2m8k3f1qw9e7r5t6y.mp4",
        "media/video/0jzy/v0jzy2m8k3f1qw9e7r5t6y.json",
        "media/video/0jzy/v0jzy2m8k3f1qw9e7r5t6y.mp4\n",
        "media/video/0jzy/v0jzy2m8k3f1qw9e7r5t6y.mp4/x.mp4",
        "media/video/0jzy/v0jzy2m8k3f1qw9e7r5t6y",
        "",
        7,
    ],
)
def test_metadata_cannot_name_other_bytes_than_those_of_its_id(path: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        metadata.decode(ITEM.id, json.dumps({**DOCUMENT, "path": path}).encode())


def test_metadata_of_one_item_is_not_taken_for_that_of_another() -> None:
    with pytest.raises(ValueError, match="another item"):
        metadata.decode(ITEM.id[:-1] + "z", metadata.encode(ITEM))


def test_the_state_of_an_upload_that_an_earlier_version_wrote_is_read() -> None:
    state = stage.StageState("0" * 32, None, "a", "name YQ==", "", planned_id="v1")
    old = json.loads(stage.encode(state)) | {"created_at": "2025-10-09T08:53:20+00:00"}

    assert stage.decode(json.dumps(old).encode()) == state
