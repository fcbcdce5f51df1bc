"""From "provider/model" to a driver: built-in rows, rows registered by hand or by plugins."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from threading import RLock

from prompture import given, startup
from prompture.drivers.hooks import loaded
from prompture.drivers.provider import Provider, first_set
from prompture.errors import ConfigurationError, UnknownModel
from prompture.observe import note
from prompture.provider_names import ALIASES

_log = logging.getLogger("prompture")
GROUP = "prompture.providers"
DEFAULT_MODEL = "local/rules"

BUILTIN: Mapping[str, tuple[str, str, str]] = {
    "openai": ("rows", "OPENAI", "OpenAI"),
    "claude": ("own_rows", "claude", "Claude"),
    "google": ("own_rows", "google", "Google"),
    "groq": ("rows", "GROQ", "Groq"),
    "grok": ("rows", "GROK", "Grok"),
    "moonshot": ("rows", "MOONSHOT", "Moonshot"),
    "zai": ("rows", "ZAI", "Zai"),
    "modelscope": ("rows", "MODELSCOPE", "ModelScope"),
    "openrouter": ("rows", "OPENROUTER", "OpenRouter"),
    "cohere": ("own_rows", "cohere", "Cohere"),
    "mistral": ("rows", "MISTRAL", "Mistral"),
    "deepseek": ("rows", "DEEPSEEK", "DeepSeek"),
    "together": ("rows", "TOGETHER", "Together"),
    "fireworks": ("rows", "FIREWORKS", "Fireworks"),
    "cerebras": ("rows", "CEREBRAS", "Cerebras"),
    "perplexity": ("rows", "PERPLEXITY", "Perplexity"),
    "huggingface": ("rows", "HUGGINGFACE", "HuggingFace"),
    "dashscope": ("rows", "DASHSCOPE", "DashScope"),
    "minimax": ("rows", "MINIMAX", "MiniMax"),
    "volcengine": ("rows", "VOLCENGINE", "Volcengine"),
    "cloudflare": ("rows", "CLOUDFLARE", "Cloudflare"),
    "azure": ("own_rows", "azure", "Azure"),
    "vertex": ("own_rows", "vertex", "Vertex"),
    "bedrock": ("own_rows", "bedrock", "Bedrock"),
    "ollama": ("ollama", "ROW", "Ollama"),
    "lmstudio": ("openai_compatible", "LMSTUDIO", "LMStudio"),
    "llamacpp": ("llamacpp", "ROW", "LlamaCpp"),
    "airllm": ("airllm", "ROW", ""),
    "openai-compatible": ("openai_compatible", "ROW", "OpenAICompatible"),
    "local": ("own_rows", "local", ""),
}
"""Each built-in row by its name: the module of prompture.drivers that holds it; the name, there, of the
row or of the function that makes it; and the beginning of the names of its driver classes ("" where it
has none over HTTP). The order is the order in which keys are looked for when no model is named."""

_registered: dict[str, Provider] = {}


def register(provider: Provider) -> None:
    """Add a row at run time. Raises ConfigurationError where its name or an alias is taken."""
    if not isinstance(provider, Provider):
        raise given.wrong("register: the row", "a prompture.Provider(...)", provider)
    # All names are one space: a key must not go to whoever registers an alias of another.
    taken = {*BUILTIN, *ALIASES, *_registered, *_plugins()}
    taken |= {alias for row in _registered.values() for alias in row.aliases}
    for name in (provider.name, *provider.aliases):
        # Built-in names are found in any case: a row called OpenAI would never be.
        if name in taken or name.lower() in taken:
            raise ConfigurationError(f"a provider called {name!r} is already there")
    _registered[provider.name] = provider


def unregister(name: str) -> None:
    """Take back a row that ``register`` added. Raises UnknownModel where there is none."""
    if name not in _registered:
        raise UnknownModel(f"no provider {name!r} was registered")
    del _registered[name]


def is_present(row: Provider) -> bool:
    """Whether ``register`` added this very row, and nobody took it back."""
    return _registered.get(row.name) is row


def is_replaced(row: Provider) -> bool:
    """Whether another row has its name now."""
    return _registered.get(row.name, row) is not row


def names() -> list[str]:
    """Every provider there is: built in, from plugins, registered."""
    return [*BUILTIN, *(n for n in _plugins() if n not in BUILTIN), *_registered]


def rows() -> Iterator[Provider]:
    """The row of every provider there is; a plugin that cannot be loaded is named in the log,
    once, and left out. Raises ConfigurationError for a faulty ``PROMPTURE_CONFIG``."""
    _configured()
    for name in names():
        try:
            yield find(name)
        except ConfigurationError as exc:
            _log_once(logging.WARNING, f"left out: {exc}")


def find(name: str) -> Provider:
    """The row of a name or alias; only that row's module is imported.

    Raises UnknownModel, which lists near names, and ConfigurationError for a plugin that cannot
    be loaded.
    """
    _configured()
    known = _lookup(name.strip().lower()) or _lookup(name)
    if known:
        return known
    near = given.near(name, [*names(), *ALIASES])
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names())}"
    raise UnknownModel(f"no provider {name!r}; {hint}")


_logged: set[str] = set()


def _log_once(level: int, text: str) -> None:
    """Log a line once in this process."""
    if text not in _logged:
        _logged.add(text)
        _log.log(level, text)


_config_read: list[str] = []
_config_lock = RLock()
_config_reading: list[str] = []


def _renew() -> None:
    """In a forked child: a thread that was reading the file is gone, and holds the lock for ever."""
    global _config_lock
    _config_lock = RLock()
    _config_reading.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def _configured() -> None:
    """Read the file that ``PROMPTURE_CONFIG`` names, once; one that fails, fails each time."""
    path = os.environ.get("PROMPTURE_CONFIG")
    # Without the lock: a path is added only when all of its providers are there.
    if not path or path in _config_read:
        return
    with _config_lock:  # another thread waits until all of its providers are there
        if path in _config_read:
            return
        _config_reading.append(path)
        try:
            if _config_reading.count(path) == 1:  # reading it asks for rows itself
                startup.read_config(path)
                _config_read.append(path)
        finally:
            _config_reading.pop()


def _lookup(name: str) -> Provider | None:
    # Built-in rows first: no plugin can put itself between a provider's name and its key.
    builtin = ALIASES.get(name, name)
    if builtin in BUILTIN:
        return builtin_row(builtin)
    if name in _registered:
        return _registered[name]
    if name in _plugins():
        plugin: Provider = _plugins()[name]()
        return plugin
    return next((row for row in _registered.values() if name in row.aliases), None)


def builtin_row(name: str) -> Provider:
    """The row of a built-in provider; only the module that holds it is imported."""
    module, constant, _ = BUILTIN[name]
    found = getattr(import_module(f"prompture.drivers.{module}"), constant)
    row: Provider = found if isinstance(found, Provider) else found()
    return row


@cache
def _plugins() -> dict[str, _Plugin]:
    found: dict[str, _Plugin] = {}
    for point in entry_points(group=GROUP):
        if point.name in found:
            found[point.name].rivals.append(point)
        else:
            found[point.name] = _Plugin(point)
    return found


class _Plugin:
    """A row of an installed package, loaded when it is first asked for."""

    def __init__(self, point: EntryPoint) -> None:
        self._point = point
        self._row: Provider | None = None
        self._problem: str | None = None
        self.rivals: list[EntryPoint] = []

    def __call__(self) -> Provider:
        """Raises ConfigurationError, alike each time."""
        if self._problem is not None:
            raise ConfigurationError(self._problem)
        if self._row is None:
            try:
                self._row = self._load()
            except ConfigurationError as exc:
                self._problem = str(exc)
                raise
        return self._row

    def _load(self) -> Provider:
        name = self._point.name
        if name in BUILTIN or name in ALIASES:
            raise ConfigurationError(f"a plugin's provider {name!r} is built in")
        if self.rivals:
            values = ", ".join(p.value for p in (self._point, *self.rivals))
            raise ConfigurationError(f"several plugins bring a provider {name!r}: {values}")
        row = loaded(self._point, Provider)
        if name not in (row.name, *row.aliases):
            raise ConfigurationError(
                f"the plugin {name!r} ({self._point.value}) brings a row called {row.name!r}: "
                f"its entry point must have the row's name"
            )
        if row.name in BUILTIN or row.name in ALIASES:
            raise ConfigurationError(f"a plugin's provider {row.name!r} is built in")
        return row


def split(model: str) -> tuple[str, str]:
    """Provider and model of ``"provider/model"`` or ``"provider:model"``.

    The first separator counts; the rest stays as it is (``ollama/llama3.1:8b``). A colon
    separates only after the name of a provider; blanks around either part are dropped. Raises
    UnknownModel where no provider is named.
    """
    if not isinstance(model, str):
        raise given.wrong("model", "a text such as 'openai/gpt-5-mini'", model)
    model = model.strip()
    slash, colon = model.find("/"), model.find(":")
    # Only after a provider's name: models have colons of their own (llama3.1:8b).
    if colon >= 0 and (slash < 0 or colon < slash) and _is_name(model[:colon]):
        return model[:colon].strip(), model[colon + 1 :].strip()
    if slash >= 0:
        return model[:slash].strip(), model[slash + 1 :].strip()
    if _is_name(model):
        return model, ""
    raise UnknownModel(_which_provider(model))


def _is_name(name: str) -> bool:
    _configured()
    lower = name.strip().lower()
    known = lower in BUILTIN or lower in ALIASES or name in _registered or name in _plugins()
    return known or any(name in row.aliases for row in _registered.values())


def _which_provider(model: str) -> str:
    from prompture import catalog

    near = catalog.near(model)
    hint = f" (perhaps {', '.join(near[:3])})" if near else ""
    return f"{model!r} names no provider: write it as 'provider/model'{hint}"


def default_model() -> str:
    """``PROMPTURE_MODEL``, else the default model of the first provider whose key is set (the
    built-in ones in their order, then plugins and registered ones), else ``local/rules``.

    Keys that serve other ends as well (``HF_TOKEN``, ...; ``Provider.shared_env``) choose none.
    The choice and its reason are logged once; as a warning where documents go to a provider
    that nobody named. Raises UnknownModel where ``PROMPTURE_MODEL`` names none.
    """
    model, why, named = default_choice()
    if named and model != DEFAULT_MODEL and not model.startswith("cheapest"):
        try:
            resolve(model)
        except UnknownModel as exc:
            raise UnknownModel(f"PROMPTURE_MODEL: {exc}") from exc
    level = logging.INFO if named else logging.WARNING
    text = "no model is named: %(model)s is used, %(why)s"
    if f"{model} {why}" not in _logged and _log.isEnabledFor(level):
        _logged.add(f"{model} {why}")
        note("model_chosen", text, level=level, model=model, why=why)
    return model


def default_choice() -> tuple[str, str, bool]:
    """The default model, why it is that one, and whether somebody named it (or it stays here)."""
    if chosen := first_set(("PROMPTURE_MODEL",)):
        return chosen.strip(), "which PROMPTURE_MODEL names", True
    for row in rows():
        if variable := row.chosen_by():
            why = f"since {variable} is set; name another with model=... or PROMPTURE_MODEL"
            return f"{row.name}/{row.default_model}", why, False
    why = "since no provider's key is set; nothing leaves this machine"
    if passed := [v for row in rows() for v in row.shared_env if first_set((v,))]:
        why += f" ({passed[0]} serves other ends too and chooses no model: name one)"
    return DEFAULT_MODEL, why, True


def resolve(model: str) -> tuple[Provider, str]:
    """The row and the model of a string; the row's default where it names no model."""
    name, rest = split(model)
    row = find(name)
    rest = rest or row.default_model
    if not rest:
        raise UnknownModel(f"{name} has no default model: write {name}/<model>")
    return row, rest
