"""Pages of the site that are written in Markdown, the changelog and the benchmarks, as reStructuredText.

Of Markdown what these two use: headings, paragraphs, lists, fenced code, code in the text and links.
"""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent
PAGES = {"changelog": DOCS.parent / "CHANGELOG.md", "benchmarks": DOCS / "benchmarks.md"}
UNDERLINES = "=-~"
PIECE = re.compile(r"`([^`]+)`|\[([^\]]+)\]\((https?://[^)\s]+)\)|\[([^\]]+)\]\([^)\s]+\)|(\*\*[^*]+\*\*)")


def escaped(text):
    """Plain text in which nothing has a meaning."""
    return re.sub(r"([\\*|`]|_(?!\w))", r"\\\1", text)


def inline(text):
    """A line or paragraph; links to files of the repository become their text."""
    parts, end = [], 0
    for found in PIECE.finditer(text):
        code, label, address, local, bold = found.groups()
        before = escaped(text[end : found.start()])
        end = found.end()
        piece = f"``{code}``" if code else f"`{label} <{address}>`__" if label else bold or escaped(local)
        apart = "\\ "  # markup needs space or punctuation around it, and this is neither
        parts += [before, apart if before and before[-1].isalnum() else "", piece]
        parts.append(apart if text[end : end + 1].isalnum() else "")
    return "".join(parts) + escaped(text[end:])


def heading(level, text):
    title = inline(text)
    return [title, UNDERLINES[level - 1] * max(4, len(title)), ""]


def converted(source):
    """The text of a page."""
    lines, fenced, block = [], False, []

    def close():
        lines.extend(inline("\n".join(block)).split("\n") if block else [])
        block.clear()

    for line in source.splitlines():
        if line.startswith("```"):
            close()
            fenced = not fenced
            lines += ["", f".. code-block:: {line[3:] or 'text'}", ""] if fenced else [""]
        elif fenced:
            lines.append(f"   {line}".rstrip())
        elif found := re.match(r"(#+) (.*)", line):
            close()
            lines += heading(len(found[1]), found[2])
        elif line.startswith("- ") or not line.strip():
            close()
            block.append(line)
        else:
            block.append(line)
    close()
    return "\n".join(lines) + "\n"


def write(app):
    folder = Path(app.srcdir) / "generated"
    folder.mkdir(exist_ok=True)
    for name, source in PAGES.items():
        text, page = converted(source.read_text()), folder / f"{name}.rst"
        if not page.exists() or page.read_text() != text:  # else it would be read again at each build
            page.write_text(text)


def setup(app):
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
