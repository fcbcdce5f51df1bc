"""The two models that find lines in a picture and read them, loaded when they are first used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prompture import forks
from prompture.documents.letters import ReadLine
from prompture.documents.reading_order import Point, Quad
from prompture.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

LEAST = 32
"""Pixels of a side that the model needs."""
_MARGIN = 32
"""White around a picture that is a line only, or a letter: without it the model finds nothing."""


class OcrEngine:
    """The two models, loaded when they are first used. One call at a time: they use all cores."""

    def __init__(self) -> None:
        self._lock = forks.fork_lock()
        self._models = _loaded()
        self.is_own_model = bool(os.environ.get("PROMPTURE_OCR_MODEL"))

    def found(self, picture: Picture, scale: float) -> list[Quad]:
        """The corners of what may be lines, in pixels of the picture, looked for at a scale."""
        from PIL import Image

        size = max(LEAST, round(picture.width * scale)), max(LEAST, round(picture.height * scale))
        seen = picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
        margin = _MARGIN if min(size) < 8 * _MARGIN else 0
        with self._lock:
            shown = _on_paper(_bgr(seen), margin)
            boxes = self._models(shown, use_det=True, use_cls=False, use_rec=False).boxes
        if boxes is None:
            return []
        wide, high = picture.width / size[0], picture.height / size[1]

        def point(x: float, y: float) -> Point:
            inside = min(max(x - margin, 0), size[0]), min(max(y - margin, 0), size[1])
            return float(inside[0] * wide), float(inside[1] * high)

        corners = [[point(x, y) for x, y in box] for box in boxes]
        return [(one[0], one[1], one[2], one[3]) for one in corners]

    def read(self, crops: Sequence[Picture]) -> list[ReadLine]:
        """What is written in pictures of one line each."""
        if not crops:
            return []
        with self._lock:
            found = self._models.recognize_txt([_bgr(crop) for crop in crops])
        rows = zip(found.txts, found.scores, found.word_results, strict=True)
        return [ReadLine(text, _centres(text, words), score) for text, score, words in rows]


def _on_paper(pixels: Any, margin: int) -> Any:
    """The pixels with a margin of the colour that most of their edge has."""
    import numpy as np

    if not margin:
        return pixels
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    high, wide = pixels.shape[0] + 2 * margin, pixels.shape[1] + 2 * margin
    paper = np.empty((high, wide, 3), pixels.dtype)
    paper[:] = np.median(edge, axis=0)
    paper[margin:-margin, margin:-margin] = pixels
    return paper


def _bgr(picture: Picture) -> Any:
    import numpy as np

    return np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])


def _centres(text: str, words: Any) -> list[float]:
    """Where each character that is no space stands, from 0 to 1 along the line."""
    columns = [column for word in words.words and words.word_cols for column in word]
    count = sum(not char.isspace() for char in text)
    if len(columns) != count:  # a letter of several code points
        return [(at + 0.5) / count for at in range(count)]
    return [min((column + 0.5) / words.line_txt_len, 1.0) for column in columns]


_engines: dict[int, OcrEngine] = {}
"""The one of this process, by forks.count(). Threads of the parent's do not run in a child."""
_lock = forks.fork_lock()


def loaded_engine() -> OcrEngine:
    """The engine of this process. Raises MissingExtra and ConfigurationError."""
    with _lock:
        now = forks.count()
        if now not in _engines:
            for old in _engines.values():
                forks.left_to_parent(old)
            _engines.clear()
            _engines[now] = OcrEngine()
        return _engines[now]


def _loaded() -> Any:
    try:
        import onnxruntime  # noqa: F401
        import rapidocr
    except ImportError as missing:
        raise MissingExtra(extra="ocr", package="rapidocr with onnxruntime") from missing
    from pathlib import Path

    # By their paths: asked for by name, a model that is not there is fetched from a server.
    folder = Path(rapidocr.__file__).parent / "models"
    found = {kind: sorted(folder.glob(f"*_{kind}_*.onnx")) for kind in ("det", "rec")}
    if not all(found.values()):
        raise ConfigurationError("this rapidocr comes without its models: pip install -U rapidocr")
    own = os.environ.get("PROMPTURE_OCR_MODEL")
    if own and not Path(own).is_file():
        raise ConfigurationError(
            "PROMPTURE_OCR_MODEL names no file: give the path of an .onnx model"
        )
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.return_word_box": True,
            "Global.text_score": 0.0,
            # Sizes are chosen here.
            "Global.max_side_len": 1 << 20,
            "Global.min_side_len": 1,
            "Global.use_vertical_padding": False,
            "Det.limit_side_len": 32,
            # Lines beside each other would take memory (six: 370 MB), and are no faster.
            "Rec.rec_batch_num": 1,
            "Det.model_path": str(found["det"][-1]),
            "Rec.model_path": own or str(found["rec"][-1]),
            "EngineConfig.onnxruntime.intra_op_num_threads": _threads(),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _threads() -> int:
    """PROMPTURE_OCR_THREADS, else all cores but one, which the rest of the program keeps."""
    given = os.environ.get("PROMPTURE_OCR_THREADS", "")
    if given.isdecimal() and int(given):
        return int(given)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 2) - 1)
