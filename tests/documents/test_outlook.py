"""Mails of Outlook (.msg), written here as Outlook lays them out."""

from __future__ import annotations

import struct
from typing import TypeAlias

import pytest

from prompture import document

pytest.importorskip("olefile")
pytest.importorskip("selectolax")
Tree: TypeAlias = "dict[str, bytes | Tree]"
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def compound(tree: Tree) -> bytes:
    """An OLE file: each stream in sectors of its own, padded past the size of small ones."""
    entries: list[list[object]] = [["Root Entry", 5, FREE, END, 0]]
    sectors: list[bytes] = []
    chains: list[list[int]] = []

    def stored(data: bytes) -> tuple[int, int]:
        padded = data.ljust(4096, b"\0")  # smaller ones would be in the ministream
        first = len(sectors)
        pieces = [padded[at : at + 512].ljust(512, b"\0") for at in range(0, len(padded), 512)]
        sectors.extend(pieces)
        chains.append(list(range(first, len(sectors))))
        return first, len(padded)

    def add(folder: Tree) -> int:
        """The folder's entries as a chain of right siblings, which readers take; its first one."""
        made = []
        for name, value in sorted(folder.items(), key=lambda kv: (len(kv[0]), kv[0].upper())):
            at = len(entries)
            made.append(at)
            entries.append([name, 0, FREE, END, 0, FREE])
            if isinstance(value, dict):
                entries[at][1:4] = [1, add(value), 0]
            else:
                start, size = stored(value)
                entries[at][1:5] = [2, FREE, start, size]
        for at, following in zip(made, [*made[1:], FREE], strict=True):
            entries[at][5] = following
        return made[0] if made else FREE

    entries[0][2] = add(tree)
    entries[0].append(FREE)
    listed = b"".join(
        (str(name) + "\0").encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HBBIII", 2 * len(str(name)) + 2, kind, 1, FREE, right, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
        for name, kind, child, start, size, right in entries
    )  # type: ignore[misc]
    first = len(sectors)
    sectors += [listed[at : at + 512].ljust(512, b"\0") for at in range(0, len(listed), 512)]
    chains.append(list(range(first, len(sectors))))
    tables = -(-(len(sectors) + 8) // 127)
    table = [END] * (len(sectors) + tables)
    for chain in chains:
        for here, there in zip(chain, [*chain[1:], END], strict=True):
            table[here] = there
    own = list(range(len(sectors), len(sectors) + tables))
    for at in own:
        table[at] = FAT
    packed = struct.pack(f"<{len(table)}I", *table).ljust(512 * tables, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<9I", 0, tables, first, 0, 4096, END, 0, END, 0)
    header += struct.pack(f"<{tables}I", *own).ljust(436, b"\xff")
    return header + b"".join(sectors) + packed


def text(value: str) -> bytes:
    return value.encode("utf-16-le") + b"\0\0"


def properties(skip: int, **values: bytes) -> bytes:
    entries = b"".join(
        struct.pack("<HHI", 0x40, int(code[1:], 16), 6) + value.ljust(8, b"\0")
        for code, value in values.items()
    )
    return bytes(skip) + entries


def mail(subject: str, body: Tree, skip: int = 32, **more: bytes | Tree) -> Tree:
    sent = struct.pack("<Q", 133540992000000000)  # 5 March 2024, 08:00 UTC
    return {
        "__properties_version1.0": properties(skip, x0039=sent, x3FFD=struct.pack("<i", 1251)),
        "__substg1.0_0037001F": text(subject),
        "__substg1.0_0C1A001F": text("Ann"),
        "__substg1.0_5D01001F": text("ann@example.com"),
        **body,
        **more,
    }


def recipient(name: str, kind: int) -> Tree:
    return {
        "__properties_version1.0": properties(8, x0C15=struct.pack("<i", kind)),
        "__substg1.0_3001001F": text(name),
        "__substg1.0_39FE001F": text(f"{name.lower()}@example.com"),
    }


def test_a_mail_of_outlook() -> None:
    attached: Tree = {
        "__properties_version1.0": properties(8),
        "__substg1.0_3707001F": text("a.csv"),
        "__substg1.0_37010102": b"x;y\n1;2\n".ljust(4096, b"\n"),
    }
    inner: Tree = {
        "__properties_version1.0": properties(8),
        "__substg1.0_3701000D": mail("inner", {"__substg1.0_1000001E": "да".encode("cp1251")}, 24),
    }
    tree = mail(
        "Invoice",
        {"__substg1.0_1000001F": text("Dear Bob,\r\nsee below")},
        **{
            "__recip_version1.0_#00000000": recipient("Bob", 1),
            "__recip_version1.0_#00000001": recipient("Carl", 2),
            "__attach_version1.0_#00000000": attached,
            "__attach_version1.0_#00000001": inner,
        },
    )
    data = compound(tree)
    read = document(data, name="a.msg")
    head = (
        "From: Ann <ann@example.com>\nTo: Bob <bob@example.com>\nCc: Carl <carl@example.com>\n"
        "Date: Tue, 05 Mar 2024 08:00:00 +0000\nSubject: Invoice\n\nDear Bob,\nsee below"
    )
    assert read.text.replace("\0", "") == head
    assert "inner.msg" in read.notes[0]
    read = document(data, attachments=True)
    assert "Attachment: a.csv\n\n| x | y |\n|---|---|\n| 1 | 2" in read.text
    assert "Subject: inner\n\nда" in read.text
    assert [page.number for page in read.pages] == [1, 2, 3]


@pytest.mark.parametrize(
    "body",
    [
        {"__substg1.0_10130102": b"<html><meta charset=utf-8><p>a <b>b</b></p>"},
        {"__substg1.0_1013001F": text("<p>a b")},
        {"__substg1.0_10090102": struct.pack("<IIII", 26, 14, 0x414C454D, 0) + b"{\\rtf1 a \\b b}"},
    ],
)
def test_bodies_in_other_forms(body: Tree) -> None:
    read = document(compound(mail("x", body)), name="a.msg")
    assert read.text.endswith("Subject: x\n\na b")


def test_text_of_outlook_as_bytes_is_in_its_code_page() -> None:
    read = document(compound(mail("x", {"__substg1.0_1000001E": "да".encode("cp1251")})))
    assert read.text.endswith("\n\nда")
