"""Formulas as MathML, by docutils: browsers draw them by themselves, without scripts or a network."""

import html

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def mathml(node, *, block):
    try:
        return latex2mathml.tex2mathml(node.astext().strip(), as_block=block)
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
