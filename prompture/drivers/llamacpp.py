"""llama.cpp: its server on your own machine, or a GGUF file run inside this process.

``llamacpp/<name>`` asks the server; ``llamacpp/<path>``, where the path ends in ``.gguf`` or is
a file, runs that file with the ``llamacpp`` extra.
"""

from __future__ import annotations

import atexit
import json
import secrets
import shutil
import socket
import tempfile
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from prompture.codecs.base import Endpoint
from prompture.codecs.openai_chat import OpenAIChat
from prompture.codecs.openai_responses import OpenAIResponses
from prompture.codecs.prompted import instruct, schema_words
from prompture.drivers.bounded import stop_signal, usual_threads, usual_tokens
from prompture.drivers.provider import Features, Provider
from prompture.errors import ConfigurationError, MissingExtra
from prompture.types import Completion, Delta, Request
from prompture.wire.http import HTTPResponse


def _mend(request: Request, body: dict[str, Any]) -> None:
    """The schema is shown to the model, which otherwise only feels its grammar; JSON mode alone
    is ignored by some builds, a schema of any object is not; and thinking is steered through
    the chat template."""
    if request.schema is not None:
        instruct(body["messages"], schema_words(request.schema))
    if body.get("response_format") == {"type": "json_object"}:
        schema = {"name": request.schema_name, "schema": {"type": "object"}}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if effort := body.pop("reasoning_effort", None):
        switch = {"enable_thinking": effort != "none"}
        level = {} if effort == "none" else {"reasoning_effort": effort}
        body["chat_template_kwargs"] = {**switch, **level}


CODEC = OpenAIChat(tool_choice="required", echo=("reasoning_content",), rule=_mend)


def is_file(model: str) -> bool:
    """Whether a model's name is a GGUF file to run in this process."""
    return model.lower().endswith(".gguf") or Path(model).expanduser().is_file()


ENDPOINT = Endpoint("llamacpp", "http://in-process")
_LIMITS = frozenset({"max_tokens", "max_completion_tokens", "n_predict"})
_LOOK_SECONDS = 0.05
"""How often a call that waits for the model looks whether it shall stop."""
_LEAVE_SECONDS = 0.1
"""How long a call that is left waits for the model to stop."""
_EXIT_SECONDS = 5.0
"""How long the end of the process waits for it."""


class LlamaCpp:
    """A GGUF model inside this process, over the xllamacpp wheel: no server to start, no HTTP.

    Its request and answer are those of llama.cpp's server, so the same codec is used. A schema
    is held by a grammar while the model writes. The file is loaded when this is made.

    ``context_tokens`` is the window of each call (0: what the model was trained for, as far as
    memory allows); a longer prompt raises ContextWindowExceeded. ``parallel`` is how many
    calls may run at once; the others wait. ``threads`` are all cores but one where it is None;
    ``gpu_layers`` is left to llama.cpp then. ``projector`` is the path of the ``mmproj`` file of a model that sees,
    ``chat_template`` a Jinja template instead of the model's own.
    Raises MissingExtra, and ConfigurationError where the file cannot be loaded.
    """

    def __init__(
        self,
        model: str,
        *,
        context_tokens: int = 0,
        parallel: int = 1,
        threads: int | None = None,
        gpu_layers: int | None = None,
        projector: str = "",
        chat_template: str = "",
    ) -> None:
        path = _existing(model)
        try:
            import xllamacpp
        except ImportError as exc:
            raise MissingExtra(extra="llamacpp", package="xllamacpp") from exc
        settings = xllamacpp.CommonParams()
        settings.model.path = str(path)
        settings.model_alias = {path.stem}
        settings.n_ctx = context_tokens * parallel
        settings.n_parallel = parallel
        settings.use_jinja = True
        settings.warmup = False
        settings.endpoint_metrics = True
        settings.verbosity = 0
        threads = usual_threads() if threads is None else threads
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
        # A prompt is read in so many tokens at a time, between which it can be broken off.
        settings.n_batch = settings.n_ubatch
        if gpu_layers is not None:
            settings.n_gpu_layers = gpu_layers
        if projector:
            settings.mmproj.path = str(_existing(projector))
        if chat_template:
            settings.chat_template = chat_template
        folder = _keep_private(settings)
        self._tidy = weakref.finalize(self, shutil.rmtree, folder, True) if folder else None
        try:
            self._server: Any = xllamacpp.Server(settings)
            # Its queue has started once it answers; to end it before that would wait for ever.
            self._server.handle_metrics()
        except RuntimeError as exc:
            self.close()
            raise ConfigurationError(f"llamacpp: {path.name} cannot be loaded: {exc}") from exc

    def answer(self, request: Request) -> Completion:
        """Raises ProviderError as the server's HTTP answers would."""
        # As a stream: the wheel cannot be stopped in an answer that comes whole.
        *_, done = self.stream(request)
        assert isinstance(done, Completion)
        return done

    def stream(self, request: Request) -> Iterator[Delta | Completion]:
        """Deltas as the model writes, then the completion; closing it stops the model."""
        body = json.loads(CODEC.encode(request, ENDPOINT, stream=True).body)
        if _LIMITS.isdisjoint(body):
            body["max_tokens"] = usual_tokens(request)
        # Chunks come while the prompt is read, too: it can be broken off there.
        body["return_progress"] = True
        decoder, stop = CODEC.stream_decoder(ENDPOINT), stop_signal()
        with closing(self._chunks(body, stop)) as chunks:
            for chunk in chunks:
                _raise_if_error(chunk)
                yield from decoder.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        if stop():
            yield replace(decoder.partial(), stop_reason="cancelled", raw_stop="cancelled")
            return
        yield decoder.close()

    def _chunks(
        self, body: dict[str, Any], stop: Callable[[], bool]
    ) -> Generator[dict[str, Any], None, None]:
        """The chunks of a streamed answer. The wheel calls back for each, so another thread
        waits there; a callback that returns True stops the model."""
        found: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        stopped, ended = Event(), Event()

        def take(chunk: dict[str, Any]) -> bool:
            found.put(chunk)
            return stopped.is_set() or stop()

        def run() -> None:
            try:
                self._server.handle_chat_completions(body, take)
            except (ValueError, RuntimeError) as exc:
                found.put(_refusal(exc))
            finally:
                found.put(None)
                ended.set()

        # A daemon: a model that never stops must not keep the process from ending.
        thread = Thread(target=run, daemon=True)
        _running[stopped] = ended
        try:
            # In here: an interrupt while it starts must stop the model, too.
            thread.start()
            while not stop():
                try:
                    chunk = found.get(timeout=_LOOK_SECONDS)
                except Empty:
                    continue
                if chunk is None:
                    break
                yield chunk
        finally:
            # It comes out at the next token, or piece of the prompt; a large model may take longer.
            _leave([stopped], _LEAVE_SECONDS)

    def forked(self) -> None:
        """In a forked child: the folder of the socket is the parent's to take away, and its
        threads are not here."""
        _running.clear()
        if self._tidy:
            self._tidy.detach()

    def close(self) -> None:
        """Let go of the model and its memory."""
        self._server = None
        if self._tidy:
            self._tidy()


_running: dict[Event, Event] = {}
"""Of each thread inside the wheel: what asks it to stop, and what it sets when it is out. (To join
it would not do: one whose start was interrupted looks as if it had never been started.)"""


def _leave(running: list[Event], seconds: float) -> None:
    """Ask threads to stop, and wait so long for them."""
    until = time.monotonic() + seconds
    for stopped in running:
        stopped.set()
    for stopped in running:
        ended = _running.get(stopped)
        if ended is None or ended.wait(max(0.0, until - time.monotonic())):
            _running.pop(stopped, None)


@atexit.register
def _leave_all() -> None:
    # A thread that comes back from the wheel once Python has ended is unwound through C++, which
    # aborts the process.
    _leave(list(_running), _EXIT_SECONDS)


def _refusal(exc: Exception) -> dict[str, Any]:
    return {"error": {"code": 400, "type": "invalid_request_error", "message": str(exc)}}


def _raise_if_error(found: dict[str, Any]) -> None:
    if "error" in found:
        # The wheel has no status line: llama.cpp's server writes it into the error as well.
        status = int(found["error"].get("code") or 500)
        raise CODEC.read_error(HTTPResponse(status, {}, json.dumps(found).encode()), ENDPOINT)


def _existing(model: str) -> Path:
    path = Path(model).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"llamacpp: there is no file {model!r}")
    return path


def _keep_private(settings: Any) -> str | None:
    """The wheel's class always listens somewhere: let it be a socket in a folder that only this
    user can enter, where there are such sockets, and in any case behind a key nobody knows."""
    settings.api_keys = [secrets.token_hex(32)]
    settings.ui = False
    if not hasattr(socket, "AF_UNIX"):
        settings.hostnames, settings.port = ["127.0.0.1"], 0
        return None
    folder = tempfile.mkdtemp(prefix="llama-")
    settings.hostnames = [f"{folder}/s.sock"]
    return folder


ROW = Provider(
    name="llamacpp",
    title="llama.cpp",
    codec=CODEC,
    codecs={"responses": OpenAIResponses()},
    base_url="http://127.0.0.1:8080/v1",
    key_env=("LLAMACPP_API_KEY", "LLAMA_API_KEY"),
    url_env=("LLAMACPP_BASE_URL", "LLAMA_BASE_URL"),
    key_required=False,
    default_model="",
    local=True,
    # A schema is a grammar to it, and so are tools: it refuses both in one request.
    features=Features(vision=True, schema_with_tools=False, schema_dialect="llamacpp"),
    engine=LlamaCpp,
    in_process=is_file,
    docs="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
)
