"""AirLLM: ``airllm/<folder>`` runs a Hugging Face model inside this process, layer by layer.

Each token takes a pass through every layer on the disk, so this is slow; it is for models
that are larger than the memory. Tools are offered by prompt (``codecs.prompted``); a schema, or a demanded
tool call, is held by a grammar while the model writes.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prompture.codecs.base import NO_CODEC
from prompture.codecs.prompted import prompted_request, read_calls
from prompture.codecs.think import split_thinking
from prompture.codecs.turns import text_of
from prompture.codecs.values import stop_reason
from prompture.drivers import airllm_grammar as grammars
from prompture.drivers.bounded import stop_signal, usual_threads, usual_tokens
from prompture.drivers.provider import Features, Provider
from prompture.errors import (
    ConfigurationError,
    ContextWindowExceeded,
    MissingExtra,
    UnsupportedError,
)
from prompture.forks import fork_lock
from prompture.types import Completion, Document, Message, Request, Text, Usage
from prompture.wire.loading import UnreadableJSON, load_json

log = logging.getLogger(__name__)
_CODE_FILES = (
    "config.json",
    "tokenizer_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "generation_config.json",
)


class AirLLM:
    """A model's folder, loaded when this is made.

    ``device`` is ``"cuda:0"`` where there is a GPU, else ``"cpu"``. ``prefetching`` reads the
    next layer while one is computed (by default on a GPU only). ``shards`` is the folder for
    the layers, about as large as the model: by default in this user's cache folder, never in
    the model's own. ``compression`` is ``"4bit"`` or ``"8bit"`` (needs bitsandbytes).
    ``context_tokens`` limits prompt and answer together; the model's own window by default.
    ``threads`` are torch's, of the whole process: all cores but one by default, unless
    ``OMP_NUM_THREADS`` is set.

    A folder that brings Python code or pickled weights is refused unless ``trust_remote_code``:
    either can do anything that you can. Raises MissingExtra and ConfigurationError.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        prefetching: bool | None = None,
        shards: str | None = None,
        compression: str | None = None,
        context_tokens: int | None = None,
        threads: int | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        path = _folder(model)
        if not trust_remote_code:
            _refuse_code(path)
        airllm, torch = _imported()
        device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        own = Path(shards).expanduser() if shards else default_shards(path)
        own.mkdir(parents=True, exist_ok=True)
        if threads is not None or "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(threads or usual_threads())
        self.name = path.name
        self._lock = fork_lock()
        try:
            self._model: Any = airllm.AutoModel.from_pretrained(
                str(path),
                device=device,
                prefetching=device != "cpu" if prefetching is None else prefetching,
                layer_shards_saving_path=str(own),
                compression=compression,
            )
        except (OSError, ValueError, RuntimeError, ImportError) as exc:
            raise ConfigurationError(f"airllm: {path.name} cannot be loaded: {exc}") from exc
        self._tokenizer = self._model.tokenizer
        self._device = device
        window = getattr(self._model.config, "max_position_embeddings", None)
        self._window: int = context_tokens or window or 4096
        self._grammar_tokens: Any = None
        _freeze()

    def close(self) -> None:
        """Let go of the model and its memory."""
        if self._model is not None:
            self._model = self._tokenizer = self._grammar_tokens = None
            _unfreeze()

    def answer(self, request: Request) -> Completion:
        """Raises UnsupportedError, SchemaError, and ContextWindowExceeded before generating."""
        _refuse_what_is_not_there(request)
        # One at a time: each pass loads the layers of the model into the one object.
        stop = stop_signal()
        with self._lock:
            if stop():  # while it waited for the others
                return Completion(stop_reason="cancelled", raw_stop="cancelled", model=self.name)
            return self._generate(request, stop)

    def _generate(self, request: Request, stop: Callable[[], bool]) -> Completion:
        prompt = self._prompt(request)
        count = prompt["input_ids"].shape[1]
        left = self._window - count
        if left < 1:
            raise ContextWindowExceeded(
                f"{self.name}: the prompt has {count} tokens, the window {self._window}",
                provider="airllm",
                status=400,
            )
        most = min(request.max_tokens or usual_tokens(request), left)
        settings = self._settings(request, count) | {"max_new_tokens": most, **request.extra}
        # transformers asks each of these after every token.
        settings["stopping_criteria"] = [lambda ids, scores, **_: stop()]
        with _seeded(request.seed):
            found = self._model.generate(**prompt, **settings)
        new = found[0][count:].tolist()
        done = self._completion(request, prompt_tokens=count, new=new, most=most)
        if done.raw_stop == "length" and len(new) < most and stop():
            return replace(done, stop_reason="cancelled", raw_stop="cancelled")
        return done

    def _prompt(self, request: Request) -> Any:
        """Token ids, by the model's chat template, or plain turns where it has none."""
        turns = [_turn(m) for m in prompted_request(request).messages]
        if not self._tokenizer.chat_template:
            text = "\n\n".join(turn["content"] for turn in turns) + "\n\n"
            return self._tokenizer([text], return_tensors="pt").to(self._device)
        text = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, **_thinking(request)
        )
        found = self._tokenizer([text], return_tensors="pt", add_special_tokens=False)
        found.pop("token_type_ids", None)
        return found.to(self._device)

    def _settings(self, request: Request, count: int) -> dict[str, Any]:
        settings: dict[str, Any] = {"use_cache": True, "pad_token_id": self._ends()[0]}
        if request.temperature is not None:
            settings["do_sample"] = request.temperature > 0
            if request.temperature > 0:
                settings["temperature"] = request.temperature
        if request.top_p is not None:
            settings |= {"do_sample": request.temperature != 0, "top_p": request.top_p}
        if request.stop:
            settings |= {"stop_strings": list(request.stop), "tokenizer": self._tokenizer}
        if grammar := _grammar(request, self._tokenizer.get_added_vocab()):
            if self._grammar_tokens is None:
                self._grammar_tokens = grammars.matcher_tokenizer(
                    self._tokenizer, vocabulary=self._model.config.get_text_config().vocab_size
                )
            held = grammars.processor(grammar, self._grammar_tokens, prompt_tokens=count)
            settings["logits_processor"] = [held]
        return settings

    def _ends(self) -> list[int]:
        stated = self._model.generation_config.eos_token_id
        if stated is None:
            stated = self._tokenizer.eos_token_id
        return list(stated) if isinstance(stated, list) else [stated]

    def _completion(
        self, request: Request, *, prompt_tokens: int, new: Sequence[int], most: int
    ) -> Completion:
        ended = bool(new) and new[-1] in self._ends()
        # A model may have the tags of its calls as special tokens: those are to be read.
        written = new[:-1] if ended else new
        text = self._tokenizer.decode(written, skip_special_tokens=not request.tools)
        stops = [at for s in request.stop if (at := text.find(s)) >= 0]
        raw_stop = "stop" if ended else "stop_sequence" if stops else "length"
        if stops:
            text = text[: min(stops)]
        thought, text = split_thinking(text)
        completion = Completion(
            text=text,
            reasoning=thought,
            stop_reason=stop_reason(raw_stop),
            raw_stop=raw_stop,
            usage=Usage(
                input_tokens=prompt_tokens, output_tokens=len(new), requests=1, reported=True
            ),
            model=self.name,
        )
        return read_calls(completion) if request.tools else completion


_loaded = 0
_loaded_lock = fork_lock()


def _freeze() -> None:
    """AirLLM collects garbage after every layer, a third of a second each time: what is alive
    now need not be looked at again until the last model is closed."""
    global _loaded
    with _loaded_lock:
        _loaded += 1
        gc.collect()
        gc.freeze()


def _unfreeze() -> None:
    global _loaded
    with _loaded_lock:
        _loaded -= 1
        if _loaded == 0:
            gc.unfreeze()
            gc.collect()


def default_shards(path: Path) -> Path:
    """A folder of its own, in the user's cache, for the layers of each version of a model."""
    from platformdirs import user_cache_path

    config = (path / "config.json").read_bytes()
    stamp = f"{path.resolve()}{(path / 'config.json').stat().st_mtime_ns}".encode()
    version = hashlib.sha256(stamp + config).hexdigest()[:12]
    return user_cache_path("prompture", appauthor=False) / "airllm" / f"{path.name}-{version}"


def _folder(model: str) -> Path:
    path = Path(model).expanduser()
    if not (path / "config.json").is_file():
        raise ConfigurationError(
            f"airllm: {model!r} is no folder with a config.json; download the model first "
            f"(hf download {model} --local-dir ...)"
        )
    return path


def _settings_in(file: Path) -> Any:
    try:
        return load_json(file.read_bytes())
    except UnreadableJSON as exc:
        raise ConfigurationError(f"airllm: {file.name} is no JSON: {exc}") from exc


def _refuse_code(path: Path) -> None:
    for name in _CODE_FILES:
        file = path / name
        if file.is_file() and "auto_map" in _settings_in(file):
            raise ConfigurationError(
                f"airllm: {path.name}/{name} asks to run Python code of the model's own; "
                f"if you have read it, pass trust_remote_code=True"
            )
    if not any(path.glob("*.safetensors")):
        raise ConfigurationError(
            f"airllm: {path.name} has no .safetensors weights; pickled ones can run code: "
            f"convert them, or pass trust_remote_code=True"
        )


def _imported() -> tuple[Any, Any]:
    """airllm and torch, made quiet: airllm prints as it goes, which belongs in a log."""
    try:
        # What it prints while it is imported must not reach the program's output either.
        with contextlib.redirect_stdout(sys.stderr):
            import airllm
            import airllm.persist.safetensor_model_persister
            import torch
    except ImportError as exc:
        raise MissingExtra(extra="airllm", package=exc.name or "airllm") from exc
    for name, module in list(sys.modules.items()):
        if name == "airllm" or name.startswith("airllm."):
            vars(module)["print"] = _log
            if "tqdm" in vars(module):
                vars(module)["tqdm"] = _no_bar
    return airllm, torch


def _log(*words: object, **_: object) -> None:
    log.debug("%s", " ".join(map(str, words)))


def _no_bar(items: Any, *_: object, **__: object) -> Any:
    return items


def _refuse_what_is_not_there(request: Request) -> None:
    if request.schema is not None and request.tools and request.tool_choice != "none":
        raise UnsupportedError("airllm: a model held to a schema cannot call tools")
    if request.logprobs is not None:
        raise UnsupportedError("airllm: no logprobs are reported")
    if request.metadata:
        raise UnsupportedError("airllm: there is no place for metadata")
    if isinstance(request.reasoning, int):
        raise UnsupportedError("airllm: reasoning takes an effort, not a number of tokens")
    for message in request.messages:
        if any(not isinstance(part, (Text, Document)) for part in message.parts):
            raise UnsupportedError("airllm: only text is read")


def _thinking(request: Request) -> dict[str, Any]:
    """Variables that chat templates of thinking models know; others ignore them."""
    if request.reasoning is None:
        return {}
    wanted = request.reasoning != "none"
    return {"enable_thinking": wanted} | ({"reasoning_effort": request.reasoning} if wanted else {})


def _grammar(request: Request, whole: Collection[str]) -> str | None:
    try:
        if request.schema is not None:
            return grammars.json_grammar(request.schema)
        choice = request.tool_choice
        if request.tools and choice not in (None, "auto", "none"):
            tools = [t for t in request.tools if choice in ("required", t.name)]
            several = request.parallel_tools is not False
            return grammars.call_grammar(tools, parallel=several, whole=whole)
        if request.json_mode and not request.tools:
            return grammars.json_grammar({"type": "object"})
    except ImportError as exc:
        raise MissingExtra(extra="airllm", package="llguidance") from exc
    return None


def _turn(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": text_of(message)}


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """torch's random numbers from ``seed``, and afterwards as if nothing had been drawn."""
    if seed is None:
        yield
        return
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


ROW = Provider(
    name="airllm",
    title="AirLLM",
    codec=NO_CODEC,
    engine=AirLLM,
    base_url="",
    key_required=False,
    local=True,
    default_model="",
    features=Features(schema_with_tools=False, schema_dialect="llamacpp"),
    docs="https://github.com/lyogavin/airllm",
)
