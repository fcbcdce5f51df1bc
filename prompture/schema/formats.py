"""The formats of JSON Schema that are asserted; any other ``format`` is an annotation.

Each is as its RFC has it: a ``date-time`` has an offset (RFC 3339). Every check is linear.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*|\"(?:[^\"\\\r\n]|\\.)*\"")
_IDN_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_URI_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_IRI_TEXT = re.compile(
    r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=\u00a0-\U0010ffff]|%[0-9A-Fa-f]{2})*"
)
_TEMPLATE = re.compile(
    r"(?:[^\s{}<>\"\\^`|]|\{[+#./;?&]?[\w.%]+(?:[:*]\w*)?(?:,[\w.%]+(?:[:*]\w*)?)*\})*"
)
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_RELATIVE_POINTER = re.compile(r"(?:0|[1-9]\d*)(?:#|(?:/(?:[^~/]|~[01])*)*)", re.ASCII)
_DURATION = re.compile(
    # RFC 3339, appendix A: units follow one another without a gap.
    r"P(?:\d+W|(?:\d+Y(?:\d+M(?:\d+D)?)?|\d+M(?:\d+D)?|\d+D)?(?:T"
    r"(?:\d+H(?:\d+M(?:\d+S)?)?|\d+M(?:\d+S)?|\d+S))?)(?<!P)",
    re.ASCII,
)


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if not found:
        return False
    hour, minute, second = int(found[1]), int(found[2]), int(found[3])
    ahead_hour, ahead_minute = int(found[5] or 0), int(found[6] or 0)
    if hour > 23 or minute > 59 or second > 60 or ahead_hour > 23 or ahead_minute > 59:
        return False
    ahead = (60 * ahead_hour + ahead_minute) * (-1 if found[4] == "-" else 1)
    # A leap second is the last one of a day in UTC.
    return second < 60 or (60 * hour + minute - ahead) % 1440 == 1439


def _is_date_time(text: str) -> bool:
    return text[10:11] in ("T", "t") and _is_date(text[:10]) and _is_time(text[11:])


def _is_hostname(text: str) -> bool:
    return len(text) <= 253 and bool(_HOSTNAME.fullmatch(text))


def _is_idn_hostname(text: str) -> bool:
    try:
        return _is_hostname(text.encode("idna").decode()) if text else False
    except UnicodeError:
        return False


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local):
        return False
    if domain.startswith("[") and domain.endswith("]"):
        address = domain[1:-1]
        return _is_ipv4(address) or _is_ipv6(address.removeprefix("IPv6:"))
    return _is_hostname(domain)


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return text.isascii()


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def _is_uri(text: str) -> bool:
    return bool(_SCHEME.match(text)) and _is_uri_reference(text)


def _is_iri(text: str) -> bool:
    return bool(_SCHEME.match(text)) and _is_iri_reference(text)


def _is_uri_reference(text: str) -> bool:
    return bool(_URI_TEXT.fullmatch(text)) and _parts_fit(text)


def _is_iri_reference(text: str) -> bool:
    return bool(_IRI_TEXT.fullmatch(text)) and _parts_fit(text)


_REFERENCE = re.compile(
    r"(?P<scheme>[^:/?#]*:)?(?://(?P<authority>[^/?#]*))?(?P<rest>.*)", re.DOTALL
)
_AUTHORITY = re.compile(r"(?:[^@\[\]]*@)?(?:\[(?P<literal>[^\]]*)\]|[^:@\[\]]*)(?::[0-9]*)?")
_FUTURE = re.compile(r"[vV][0-9a-fA-F]+\.[\w.~!$&'()*+,;=:-]+", re.ASCII)


def _parts_fit(text: str) -> bool:
    """A colon in the first segment ends a scheme, a port is a number, square brackets stand
    around an address and nowhere else, and there is one fragment."""
    found = _REFERENCE.fullmatch(text)
    assert found is not None
    scheme, authority, rest = found.group("scheme", "authority", "rest")
    if scheme is not None and not _SCHEME.fullmatch(scheme):
        return False
    if authority is not None:
        host = _AUTHORITY.fullmatch(authority)
        if not host:
            return False
        literal = host["literal"]
        if literal is not None and not (_is_ipv6(literal) or _FUTURE.fullmatch(literal)):
            return False
    return "[" not in rest and "]" not in rest and rest.count("#") <= 1


def _is_regex(text: str) -> bool:
    from prompture.schema.patterns import BadPattern, matcher

    try:
        matcher(text)
    except BadPattern:
        return False
    return True


def _full(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


FORMATS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "duration": _full(_DURATION),
    "email": _is_email,
    "idn-email": _full(_IDN_EMAIL),
    "hostname": _is_hostname,
    "idn-hostname": _is_idn_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _is_ipv6,
    "uri": _is_uri,
    "uri-reference": _is_uri_reference,
    "iri": _is_iri,
    "iri-reference": _is_iri_reference,
    "uri-template": _full(_TEMPLATE),
    "uuid": _full(_UUID),
    "json-pointer": _full(_POINTER),
    "relative-json-pointer": _full(_RELATIVE_POINTER),
    "regex": _is_regex,
}

ADVICE = {
    "date": "a date as YYYY-MM-DD",
    "time": "a time with its offset, as 13:45:00Z or 13:45:00+02:00",
    "date-time": "a date and time with its offset, as 2024-05-31T13:45:00Z",
    "duration": "an ISO 8601 duration, as P1DT2H",
    "uri": "a URI with its scheme, as https://example.com/",
    "uuid": "a UUID",
    "email": "an email address",
}
"""What a format asks for, in words for a person or model; else its name serves."""
