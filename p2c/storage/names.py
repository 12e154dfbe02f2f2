r"""Names of documents as Azure Table keys.

Azure forbids ``/``, ``\``, ``#``, ``?`` and control characters in PartitionKey and RowKey
(https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model),
and numbers of accounts may hold any of them. The encoding here is reversible and keeps the order
of names, so that a range of names is a range of keys.
"""

KEY_LIMIT = 512
"""UTF-16 units in an encoded key: Azure allows 1 KiB."""

# A forbidden character becomes the permitted one before it in the order, and a mark. That
# permitted character carries a mark too, a smaller one, so that the order stays as it was.
_MARKED = {
    '"': '"_',
    "#": '"~',
    ".": "._",
    "/": ".~",
    ">": ">_",
    "?": ">~",
    "[": "[_",
    "\\": "[~",
    " ": " _",
    "~": "~_",
    # The hexadecimal digits of control characters sort before "_", an "x" sorts after it.
    **{chr(code): f" {code:02X}" for code in range(0x20)},
    **{chr(code): f"~x{code:02X}" for code in range(0x7F, 0xA0)},
}
_ENCODE = str.maketrans(_MARKED)
_DECODE = {encoded: char for char, encoded in _MARKED.items()}


def encode_name(name: str) -> str:
    """Return the key for a name.

    Raises:
        ValueError: The name is longer than Azure's keys can be.
    """
    key = name.translate(_ENCODE)
    if _utf16_units(key) > KEY_LIMIT:
        raise ValueError(
            f"A document's name takes {_utf16_units(key)} UTF-16 units as a table key, but Azure "
            f"allows {KEY_LIMIT}. It starts with '{name[:40]}'. Use a hash of it instead."
        )
    return key


def decode_name(key: str) -> str:
    """Return the name that `encode_name` made the key from."""
    parts: list[str] = []
    at = 0
    while at < len(key):
        length = 1
        if key[at] in '".>[ ~':
            length = 2 if key[at + 1 : at + 2] in ("_", "~") else 4 if key[at] == "~" else 3
        part = key[at : at + length]
        parts.append(_DECODE.get(part, part))
        at += length
    return "".join(parts)


def name_order(name: str) -> bytes:
    """Sort key that orders names as Azure orders keys: by UTF-16 code unit."""
    return name.encode("utf-16-be", "surrogatepass")


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
