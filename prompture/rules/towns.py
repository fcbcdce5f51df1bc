"""Lines that hold a postcode and a town, as different countries write them."""

import re

TOWN = re.compile(
    r"(?:^|(?<=[,●•·|–-] )|(?<=\s{2}))(?:(?P<land>[A-Z]{1,3})[ -]{1,3})?(?P<code>\d{4,5})\s{1,3}"
    r"(?P<city>[A-ZÀ-ÖØ-Þ][^\d,;|●•·(\n]{1,40}?)(?=\s*(?:$|[,;|●•·(]|\s-\s|\s{2}))"
)


_BRITISH = re.compile(
    r"^(?P<city>[A-Z][A-Za-z .'-]{1,30}?),? (?P<code>[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2})$"
)


_BRITISH_FIRST = re.compile(
    r"^(?:GB |UK )?(?P<code>[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}),? (?P<city>[A-Z][A-Za-z .'-]{1,30})$"
)


_AMERICAN = re.compile(
    r"^(?P<city>[A-Z][A-Za-z .'-]{1,30}),? (?P<state>[A-Z]{2}) (?P<code>\d{5}(?:-\d{4})?)$"
)


TOWNS = (TOWN, _BRITISH, _BRITISH_FIRST, _AMERICAN)
