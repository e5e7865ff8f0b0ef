"""Formulas as MathML, made by docutils: browsers draw it without scripts or a network."""

import html
import re

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)

FRACTION = r"\\[dt]?(?:frac|binom)(?![A-Za-z])"
FIRST = re.compile(rf"({FRACTION}|\\sqrt(?:\[[^\]]*\]|(?![A-Za-z]))|[\^_])\s*(\d)")
SECOND = re.compile(rf"({FRACTION}\s*(?:\{{[^{{}}]*\}}|\\[A-Za-z]+|[A-Za-z]))\s*(\d)")


def braced(formula):
    r"""The formula with braces around arguments of one digit: \frac12 becomes \frac{1}{2}.

    TeX takes a single digit as an argument, docutils takes all digits that follow (12).
    """
    return SECOND.sub(r"\1{\2}", FIRST.sub(r"\1{\2}", formula))


def mathml(node, *, block):
    try:
        return latex2mathml.tex2mathml(braced(node.astext().strip()), as_block=block)
    except MathError as error:
        logger.warning("formula not understood: %s (%s)", node.astext(), error, location=node)
        return html.escape(node.astext())


def inline(translator, node):
    translator.body.append(mathml(node, block=False))
    raise nodes.SkipNode


def block(translator, node):
    translator.body.append(f'<div class="formula">{mathml(node, block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
