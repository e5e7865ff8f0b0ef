"""How the pictures of the documentation look: colours that colour-blind readers can tell apart."""

RC = {
    "axes.prop_cycle": "cycler('color', ['0072B2', 'D55E00', '009E73', 'CC79A7', 'E69F00', '56B4E9'])",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "legend.frameon": False,
}


def reset(gallery_conf, fname):
    """Before each example of the gallery: matplotlib's defaults, then ours."""
    import matplotlib
    import matplotlib.pyplot as plt

    plt.close("all")
    matplotlib.rcdefaults()
    matplotlib.use("agg")
    matplotlib.rcParams.update(RC)
