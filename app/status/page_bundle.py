"""The page's many modules as a few files, made when the service starts: the source stays as it is, and is served too.

One file has everything but the views, one file each view, and one the style sheets. Their address has a fingerprint of
the sources, so that browsers keep them for good; comments and indents are left out. Only the plain forms of `import`
and `export` that the page uses are understood; anything else is refused when the service starts (a test reads all of
it).
Workers (`new URL('./name.js', import.meta.url)`) stay files of their own: few, small, and loaded when they are needed.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

FOLDER = "bundle"
_COMMENT = re.compile(r"^[ \t]*/\*(?:(?!\*/)[\s\S])*\*/[ \t]*\n|^[ \t]*//.*\n", re.MULTILINE)
_TYPE_COMMENT = re.compile(r"/\*\*(?:(?!\*/)[\s\S])*\*/ ?")
_BLANK_LINE = re.compile(r"^[ \t]*\n", re.MULTILINE)
_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_IMPORT = re.compile(r"^import \{([^}]*)\} from '([^']+)';\n", re.MULTILINE)
_EXPORT_FROM = re.compile(r"^export \{([^}]*)\} from '([^']+)';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) ?(\w+))", re.MULTILINE)
_DYNAMIC = re.compile(r"await import\(`([^`$]+)\$\{query\}`\)")
_WORKER = re.compile(r"new URL\('([^']+)', import\.meta\.url\)")
_ANY = re.compile(r"^(?:import|export)\b", re.MULTILINE)
_SCRIPT = re.compile(r'<script type="module" src="/static/(js/[^"]+)"></script>')
_STYLE = re.compile(r'[ \t]*<link rel="stylesheet" href="/static/(css/[^"]+)">\n')


@dataclass(slots=True)
class Bundles:
    """`pages` are HTML documents that load what is in `files`, by their names."""

    pages: dict[str, bytes] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def make_bundles(sources: Mapping[str, bytes]) -> Bundles:
    """Return what the HTML documents among `sources` (names below the folder) need, in few files.

    Raises:
        ValueError: a module is written in a way that is not understood.
    """
    bundles = Bundles()
    codes = {name: _code(name, source.decode()) for name, source in sources.items() if name.endswith(".js")}
    version = hashlib.sha256(b"\0".join(sources[name] for name in sorted(sources))).hexdigest()[:12]
    for name in (name for name in sources if name.endswith(".html") and "/" not in name):
        stem = f"{FOLDER}/{version}/{name.removesuffix('.html')}"
        html = sources[name].decode()
        script, styles = _SCRIPT.search(html), _STYLE.findall(html)
        if script is None or not styles:
            continue
        html = _SCRIPT.sub(f'<script type="module" src="/static/{stem}.js"></script>', html)
        html = _STYLE.sub("", html).replace(
            "</title>\n", f'</title>\n  <link rel="stylesheet" href="/static/{stem}.css">\n'
        )
        bundles.files[f"{stem}.css"] = "".join(_style(sources[style].decode()) for style in styles).encode()
        bundles.files.update(_scripts(codes, script[1], stem))
        bundles.pages[name] = html.encode()
    return bundles


def _style(source: str) -> str:
    return _INDENT.sub("", _BLANK_LINE.sub("", _COMMENT.sub("", source)))


def _code(name: str, source: str) -> str:
    """Return a module without comments and indents."""
    text = _BLANK_LINE.sub("", _TYPE_COMMENT.sub("", _COMMENT.sub("", source)))
    if any(line.replace("'`'", "").count("`") % 2 for line in text.splitlines()):
        raise ValueError(f"{name} has a template of several lines, whose indent would be lost")
    return _INDENT.sub("", text)


def _scripts(codes: Mapping[str, str], entry: str, stem: str) -> Iterator[tuple[str, bytes]]:
    """Yield the file of the entry, and one for each module that it loads when it is needed."""
    first = _graph(codes, entry, ())
    parts = sorted({target for name in first for target in _dynamic_targets(codes, name)})
    body = "".join(_module(name, codes[name], stem) for name in first)
    yield f"{stem}.js", f"export const modules = {{}};\n{body}".encode()
    for part in parts:
        names = _graph(codes, part, first)
        body = "".join(_module(name, codes[name], stem) for name in names)
        exports = ", ".join(_exported(codes[part]))
        text = (
            f"import {{ modules }} from '/static/{stem}.js';\n{body}export const {{ {exports} }} = modules['{part}'];\n"
        )
        yield _part_name(part, stem), text.encode()


def _graph(codes: Mapping[str, str], entry: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the modules that `entry` needs at once, each after those that it needs; `known` are there already."""
    found: dict[str, None] = {}
    open_names: set[str] = set()

    def visit(name: str) -> None:
        if name in found or name in known:
            return
        if name in open_names:
            raise ValueError(f"{name} imports itself, by others")
        open_names.add(name)
        text = codes[name]
        for _, target in (*_IMPORT.findall(text), *_EXPORT_FROM.findall(text)):
            visit(_target(name, target))
        found[name] = None

    visit(entry)
    return tuple(found)


def _dynamic_targets(codes: Mapping[str, str], name: str) -> list[str]:
    return [_target(name, target) for target in _DYNAMIC.findall(codes[name])]


def _module(name: str, text: str, stem: str) -> str:
    """Return a module as a function that is called once, and puts what it exports into `modules`."""
    text = _DYNAMIC.sub(
        lambda found: f"await import(`/static/{_part_name(_target(name, found[1]), stem)}${{query}}`)", text
    )
    text = _WORKER.sub(lambda found: f"new URL('/static/{_target(name, found[1])}', location.origin)", text)
    exports = _exported(text)
    again = [
        f"const {{ {_renamed(names)} }} = modules['{_target(name, target)}'];\n"
        for names, target in _EXPORT_FROM.findall(text)
    ]
    text = _EXPORT_FROM.sub("", text)
    text = _IMPORT.sub(
        lambda found: f"const {{ {_renamed(found[1])} }} = modules['{_target(name, found[2])}'];\n", text
    )
    text = _EXPORT.sub("", text)
    if _ANY.search(text):
        raise ValueError(f"{name} has an import or export that is not understood")
    return f"modules['{name}'] = (() => {{\n{''.join(again)}{text}return {{ {', '.join(exports)} }};\n}})();\n"


def _exported(text: str) -> list[str]:
    names = [name for names, _ in _EXPORT_FROM.findall(text) for name in re.split(r"[,\s]+", names) if name]
    return [*names, *_EXPORT.findall(text)]


def _renamed(names: str) -> str:
    """`{ a as b }` of an import is `{ a: b }` of an assignment."""
    return ", ".join(part.strip().replace(" as ", ": ") for part in names.split(",") if part.strip())


def _target(name: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def _part_name(part: str, stem: str) -> str:
    return f"{stem}-{posixpath.basename(part)}"
