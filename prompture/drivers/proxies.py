"""Proxies as the environment names them, for both colours by the same rules.

``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, in lower or upper case (lower
wins); else what the system is set to (Windows, macOS). Messages name the variable, never its
value, which may hold a password.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, getproxies_environment, proxy_bypass

from prompture.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_ALIASES = {"socks": "socks5"}
"""What desktops write into the environment; the proxy is then one of version 5."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """``url`` is whole, with user and password; ``shown`` may be told: host, port, variable."""

    url: str = field(repr=False)
    shown: str

    @property
    def is_socks(self) -> bool:
        return self.url.startswith("socks")

    def require(self, module: str, package: str) -> None:
        """Raise ConfigurationError where this is a SOCKS proxy and a module is missing."""
        if self.is_socks and find_spec(module) is None:
            raise ConfigurationError(
                f"{self.shown} is a SOCKS proxy, which needs another package: pip install {package}"
            )


def proxy_for(url: str) -> Proxy | None:
    """The proxy on the way to a URL; None where there is none.

    Raises ConfigurationError for a variable that names no proxy.
    """
    parts = urlsplit(url)
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    named = getproxies_environment()
    proxies = named or getproxies()
    key = next((key for key in (scheme, "all") if proxies.get(key)), None)
    if key is None or _is_excepted(host, parts.port or _PORTS.get(scheme), _exceptions()):
        return None
    if not named and proxy_bypass(host):
        return None
    return _parsed(proxies[key].strip(), _variable(key))


def _variable(key: str) -> str:
    names = (f"{key}_proxy", f"{key}_proxy".upper())
    return next((name for name in names if os.environ.get(name)), f"the system's {key} proxy")


def _parsed(value: str, variable: str) -> Proxy:
    scheme, mark, rest = value.partition("://")
    if not mark:
        scheme, rest = "http", value
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    if scheme not in _PORTS:
        raise ConfigurationError(
            f"{variable}: a proxy's URL begins with one of {', '.join(_PORTS)} and ://"
        )
    # By hand: a password may hold what ends the authority of a URL (/, ?, #, @).
    who, at, where = rest.rpartition("@")
    where = re.split(r"[/?#]", where, maxsplit=1)[0]
    try:
        parts = urlsplit(f"//{where}")
        host, port = parts.hostname, parts.port or _PORTS[scheme]
    except ValueError:
        host, port = None, 0
    if not host or re.search(r"[\s\x00-\x1f]", where):
        raise ConfigurationError(f"{variable} names no proxy: write it as http://host:port")
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    user, colon, password = who.partition(":")
    told = f"{quote(unquote(user), safe='')}{colon}{quote(unquote(password), safe='')}{at}"
    return Proxy(url=f"{scheme}://{told}{place}", shown=f"the proxy {place} ({variable})")


def _exceptions() -> list[str]:
    value = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return [each.lower() for each in re.split(r"[\s,;]+", value) if each]


def _is_excepted(host: str, port: int | None, exceptions: list[str]) -> bool:
    address = _address(host)
    return any(_matches(each, host.rstrip("."), address, port) for each in exceptions)


def _matches(
    entry: str, host: str, address: IPv4Address | IPv6Address | None, port: int | None
) -> bool:
    """Whether an entry of ``no_proxy`` is meant for a host: a name with those beneath it, an
    address, a network, each with a port or without; ``*`` is for all."""
    entry = entry.partition("://")[2] or entry
    if entry == "*":
        return True
    if address is not None:
        try:
            return address in ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, only = entry, None
    if found := re.fullmatch(r"(\[[^\]]*\]|[^:]*):(\d+)", entry):
        name, only = found[1], int(found[2])
    if only is not None and only != port:
        return False
    if address is not None:
        return _address(name.strip("[]")) == address
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
