"""The documentation: every public name has its place, and the built site has no loose ends."""

import doctest
import inspect
import re
from fnmatch import fnmatch
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from test_house import public_modules

import skgd

ROOT = Path(__file__).parent.parent
DOCS, GALLERY = ROOT / "docs", ROOT / "examples" / "gallery"
SITE = DOCS / "_build" / "html"
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"

sources = pytest.mark.skipif(not (DOCS / "api.rst").exists(), reason="the sources are not here")
site = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the site is not built")


def reference():
    """Names that the API reference has a page for, and those that its text mentions, with their modules."""
    module, names = "skgd", set()
    text = (DOCS / "api.rst").read_text()
    for line in text.splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.match(r"\.\. automodule:: (\S+)", line):
            names.add(found[1])
        elif found := re.match(r"   (\w+)$", line):
            names.add(f"{module}.{found[1]}")
    return names | set(re.findall(r"``(skgd[\w.]+)``", text))


class Page(HTMLParser):
    """What a page links to and shows, and the places in it that can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.links, self.images, self.anchors = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if tag in ("a", "link") and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag in ("img", "script", "source", "video") and attrs.get("src"):
            self.images.append((attrs["src"], attrs.get("alt")))


@cache
def page(path):
    return Page(path)


def pages():
    templates = SITE / "_static"  # of the theme
    return sorted(path for path in SITE.rglob("*.html") if templates not in path.parents)


def target(path, link):
    """The file that a link of a page leads to, and the place in it; None for other sites."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    return (file / "index.html" if file.is_dir() else file), unquote(parts.fragment)


@sources
@pytest.mark.parametrize("module", public_modules(), ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module):
    missing = {f"{module.__name__}.{name}" for name in module.__all__} - reference()
    if module is not skgd:  # what skgd itself offers may be described there
        missing = {name for name in missing if f"skgd.{name.rsplit('.')[-1]}" not in reference()}
    assert not missing


@sources
def test_the_reference_has_only_public_names():
    for name in reference():
        thing = skgd
        for part in name.split(".")[1:]:
            thing = getattr(thing, part)


@sources
def test_the_gallery_is_explained():
    scripts = sorted(GALLERY.glob("plot_*.py"))
    assert len(scripts) >= 12
    for script in scripts:
        title, rule, blank, text = inspect.cleandoc(script.read_text().split('"""')[1]).split("\n", 3)
        assert title and set(rule) == {"="} and len(rule) >= len(title) and not blank, script.name
        assert len(text) > 100, script.name


@sources
@pytest.mark.parametrize(
    ("short", "long"),
    [
        (r"\frac12 (a + b)", r"\frac{1}{2} (a + b)"),
        (r"\frac 1 2 x", r"\frac{1}{2} x"),
        (r"\tfrac1{10}", r"\tfrac{1}{10}"),
        (r"\dfrac{n + 1}23", r"\dfrac{n + 1}{2} 3"),
        (r"\frac\alpha2 w_1^2", r"\frac{\alpha}{2} w_{1}^{2}"),
        (r"\sqrt23 + \sqrt[3]45", r"\sqrt{2} 3 + \sqrt[3]{4} 5"),
        (r"x^12 + y_34", r"x^{1} 2 + y_{3} 4"),
    ],
)
def test_a_single_digit_is_an_argument_in_formulas(short, long, monkeypatch):
    r"""As in TeX: \frac12 is a half, not twelve over what follows."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    import mathml
    from docutils.utils.math import latex2mathml

    assert latex2mathml.tex2mathml(mathml.braced(short)) == latex2mathml.tex2mathml(long)
    assert latex2mathml.tex2mathml(mathml.braced(long)) == latex2mathml.tex2mathml(long)


@sources
def test_the_page_about_installing_is_true():
    """It names the extras for users, the oldest versions that serve, and an example that runs."""
    text, project = (DOCS / "install.rst").read_text(), (ROOT / "pyproject.toml").read_text()
    assert {"plot", "io", "dask", "onnx", "test", "doc"} == set(re.findall(r"\* - ``(\w+)``", text))
    assert all(re.search(rf"^{name} = \[", project, re.MULTILINE) for name in ("plot", "io", "dask", "onnx"))
    for name, version in re.findall(
        r'"(\w[\w-]+)>=([\d.]+)"', project.split("dependencies = ")[1].split("]")[0]
    ):
        assert f"{name} {version}" in text.lower()
    assert doctest.testfile(str(DOCS / "install.rst"), module_relative=False).failed == 0


@sources
def test_the_start_page_has_a_card_for_each_part():
    text = (DOCS / "index.rst").read_text()
    cards = set(re.findall(r"card\n\n      :doc:`[^<]+<([\w/]+)>`", text))
    hidden = set(re.findall(r"^   [\w ]+ <([\w/]+)>$", text.split("toctree::")[1], re.MULTILINE))
    assert hidden < cards and {"install", "changelog", "benchmarks"} <= hidden


@sources
def test_names_of_parameters_are_not_broken_on_narrow_screens():
    style = (DOCS / "_static" / "skgd.css").read_text()
    assert "\n.bd-article dd dt strong { white-space: nowrap; }\n" in style


@sources
def test_the_environments_of_the_readme_are_ignored_by_git():
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    environments = set(re.findall(r"python3 -m venv (\S+)", (ROOT / "README.md").read_text()))
    assert environments == {".venv", ".venv-test", ".venv-doc"}
    assert not [name for name in environments if not any(fnmatch(name, line) for line in ignored)]


@sources
@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda path: path.stem.lower())
def test_links_between_files_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#]+)", path.read_text())
    assert links or path.name != "README.md"
    assert not [link for link in links if ":" not in link and not (ROOT / link).exists()]


@sources
@pytest.mark.parametrize("name", ["pyproject.toml", "CITATION.cff"])
def test_the_version_is_that_of_the_package(name):
    found = re.findall(r"^version(?: = |: )\"?([\d.]+)\"?$", (ROOT / name).read_text(), re.MULTILINE)
    assert found == [skgd.__version__]


@pytest.mark.skipif(not WORKFLOW.exists(), reason="the repository is not here")
def test_the_workflow_runs_all_parts_of_the_checks():
    named = re.findall(r"^(?:parts|others)=\(([^)]*)\)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    parts = " ".join(named).split()
    listed = re.search(r"parts: \[(.*?)\]", WORKFLOW.read_text())[1].replace(",", "").split()
    described = re.findall(r"^\| `\.ci/run (\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert parts == listed == described


@site
def test_links_lead_somewhere():
    broken = []
    for path in pages():
        for link in page(path).links:
            if (found := target(path, link)) is None:
                continue
            file, place = found
            lost = place and file.suffix == ".html" and file.exists() and place not in page(file).anchors
            if not file.exists() or lost:
                broken.append(f"{path.relative_to(SITE)}: {link}")
    assert not broken


@site
def test_images_are_there_and_described():
    for path in pages():
        for source, alt in page(path).images:
            found = target(path, source)
            if found is None:
                assert source.startswith("data:"), f"{path.name} needs {source} from elsewhere"
                continue
            assert found[0].exists(), f"{path.relative_to(SITE)}: {source}"
            assert found[0].stat().st_size > 0
            if found[0].suffix == ".png":
                assert alt is not None, f"{path.relative_to(SITE)}: {source} is not described"


@site
def test_examples_have_pictures():
    for script in GALLERY.glob("plot_*.py"):
        built = page(SITE / "auto_examples" / f"{script.stem}.html")
        assert any(f"sphx_glr_{script.stem}_" in source for source, _ in built.images), script.name


@site
def test_a_descent_can_be_played():
    text = (SITE / "auto_examples" / "plot_01_three_paths.html").read_text()
    assert text.count("frames[") > 50
    assert re.search(r"new Animation\([^)]*\);[^;]*\.play_animation\(\)", text)


@site
@pytest.mark.parametrize("name", [name for name in skgd.__all__ if name.startswith("GD")])
def test_estimators_link_to_their_page(name):
    link = getattr(skgd, name)()._get_doc_link()
    assert (SITE / link.split("/latest/")[1]).exists()


@site
def test_formulas_were_understood():
    for path in pages():
        text = path.read_text()
        assert "<merror" not in text, path.name
        assert not re.search(r"<mtext[^>]*>\\", text), path.name
