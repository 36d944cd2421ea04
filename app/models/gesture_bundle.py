"""Builds `gesture_recognizer.task` from Google's own parts, where the official bundle is out of reach.

    python -m app.models.gesture_bundle EMBEDDER CLASSIFIER HAND_TASK OUTPUT

No package carries the bundle as a whole, and the classifier as published on its own has no labels: without the metadata
written here every gesture would be nameless. The output is the same byte for byte each time. It runs as a process of
its own, since it replaces modules in `sys.modules` and a method of `zipfile`; it needs `flatbuffers`, which inference
does not.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The order of the classifier's outputs, from mediapipe/tasks/cc/vision/gesture_recognizer/gesture_recognizer.h.
LABELS = ("None", "Closed_Fist", "Open_Palm", "Pointing_Up", "Thumb_Down", "Thumb_Up", "Victory", "ILoveYou")
EMBEDDER = "gesture_embedder.tflite"
CLASSIFIER = "canned_gesture_classifier.tflite"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can hold


def build(embedder: bytes, classifier: bytes, hand_task: bytes, output: Path) -> None:
    """Write the gesture bundle to `output`.

    Raises:
        struct.error: the classifier is not a TFLite model.
    """
    _stand_in_for_absent_modules()
    from mediapipe.tasks.python.metadata.metadata_writers import model_asset_bundle_utils as bundles

    with _fixed_zip_dates(), tempfile.TemporaryDirectory(dir=output.parent) as folder:
        head = Path(folder) / "head.task"
        bundles.create_model_asset_bundle({EMBEDDER: embedder, CLASSIFIER: _labelled(classifier)}, str(head))
        parts = {"hand_landmarker.task": hand_task, "hand_gesture_recognizer.task": head.read_bytes()}
        bundles.create_model_asset_bundle(parts, str(output))


def _labelled(classifier: bytes) -> bytes:
    from mediapipe.tasks.python.metadata.metadata_writers import metadata_writer

    writer = metadata_writer.MetadataWriter.create(bytearray(classifier))
    writer.add_general_info("HandGestureRecognition", "canned gestures")
    writer.add_feature_input(name="embedding", description="gesture embedding")
    writer.add_classification_output(labels=metadata_writer.Labels().add(list(LABELS)))
    model, _ = writer.populate()
    return bytes(model)


def _stand_in_for_absent_modules() -> None:
    """Put empty modules where mediapipe 1.2.2 imports what is not installed here, or not shipped at all.

    cv2 and matplotlib serve only its drawing; the native part of metadata.py, which computes the least version of
    the parser, is missing from the wheel (1.0.0 is its answer for these models).
    """
    native = "mediapipe.tasks.cc.metadata.python._pywrap_metadata_version"
    parents = [native.rsplit(".", depth)[0] for depth in (1, 2, 3)]
    for name in ("cv2", "matplotlib", "matplotlib.pyplot", *parents, native):
        sys.modules.setdefault(name, types.ModuleType(name))
    _attach("matplotlib", pyplot=sys.modules["matplotlib.pyplot"])
    _attach(native, GetMinimumMetadataParserVersion=lambda _buffer: "1.0.0")
    _attach(parents[0], _pywrap_metadata_version=sys.modules[native])


def _attach(module: str, **attributes: object) -> None:
    vars(sys.modules[module]).update(attributes)


@contextlib.contextmanager
def _fixed_zip_dates() -> Iterator[None]:
    """Give every zip member one date; the metadata writer, too, appends a zip (with the labels) to the model."""
    original = zipfile.ZipInfo.__init__

    def dated(self: zipfile.ZipInfo, filename: str = "NoName", date_time: Any = None) -> None:  # noqa: ARG001
        original(self, filename, _EPOCH)

    zipfile.ZipInfo.__init__ = dated  # type: ignore[method-assign]
    try:
        yield
    finally:
        zipfile.ZipInfo.__init__ = original  # type: ignore[method-assign]


if __name__ == "__main__":
    *sources, target = map(Path, sys.argv[1:])
    embedder, classifier, hand_task = (source.read_bytes() for source in sources)
    build(embedder, classifier, hand_task, target)
