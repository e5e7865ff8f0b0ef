"""Style of the figures in the documentation, with colours that colour-blind readers can distinguish."""

import re
from base64 import b64decode, b64encode
from io import BytesIO

RC = {
    "axes.prop_cycle": "cycler('color', ['0072B2', 'D55E00', '009E73', 'CC79A7', 'E69F00', '56B4E9'])",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "animation.writer": "pillow",  # for thumbnails, does not need ffmpeg
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "font.size": 11,  # still readable when figures 7 inches wide are scaled down to a phone
    "legend.fontsize": "small",
}


def reset(gallery_conf, fname):
    """Reset matplotlib to its defaults, then to our style, before each example of the gallery."""
    import matplotlib
    import matplotlib.pyplot as plt

    plt.close("all")
    matplotlib.rcdefaults()
    matplotlib.use("agg")
    matplotlib.rcParams.update(RC)


def scraper(block, block_vars, gallery_conf):
    """The figures of a block; animations start to play, with few colours and no external style sheet."""
    from sphinx_gallery.scrapers import matplotlib_scraper

    rst = matplotlib_scraper(block, block_vars, gallery_conf)
    rst = re.sub(r"<link[^>]*font-awesome[^>]*>", "", rst)
    calm = 'matchMedia("(prefers-reduced-motion: reduce)").matches'
    rst = re.sub(r"(anim\w+) = new Animation\([^)]*\);", rf"\g<0> if (!{calm}) \1.play_animation();", rst)
    return re.sub(r'(data:image/png;base64,)([^"]+)', lambda found: found[1] + _smaller(found[2]), rst)


def _smaller(png: str) -> str:
    """Reduce a PNG in base64 to 64 colours."""
    from PIL import Image

    small = BytesIO()
    with Image.open(BytesIO(b64decode(re.sub(r"[\s\\]", "", png)))) as picture:
        picture.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE).save(small, "PNG", optimize=True)
    return b64encode(small.getvalue()).decode()
