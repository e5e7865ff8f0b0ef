"""
The bowl J(w, b) and a line that learns
=======================================

A line :math:`y = w x + b` has two parameters, so its cost is a surface over the plane. For squared error it
is a bowl. Gradient descent walks down the bowl, and with each step the line moves nearer to the points.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation

from skgd import GDRegressor

rng = np.random.default_rng(1)
x = rng.uniform(-0.5, 2.5, 40)
y = 1.5 * x - 0.5 + 0.4 * rng.normal(size=40)
X = x[:, None]

# %%
# ``record_path=True`` keeps the parameters after each step: column 0 is w, column 1 is b. The cost at any
# parameters comes from ``objective``, here for a grid of them.
model = GDRegressor(solver="batch", learning_rate=0.1, max_iter=80, tol=None, alpha=0, record_path=True)
w, b = model.fit(X, y, coef_init=[-1.0], intercept_init=[-2.5]).path_.T


def cost(w, b):
    value, _ = model.objective(X, y, coef=[w], intercept=[b])
    return value


grid_w, grid_b = np.meshgrid(np.linspace(-1.5, 4.5, 45), np.linspace(-3.5, 2.5, 45))
surface = np.vectorize(cost)(grid_w, grid_b)
heights = np.vectorize(cost)(w, b)

figure = plt.figure(figsize=(7, 5.4), layout="constrained")
axis = figure.add_subplot(projection="3d", computed_zorder=False)
axis.plot_surface(grid_w, grid_b, surface, cmap="Blues_r", alpha=0.75, linewidth=0)
axis.plot(w, b, heights, "o-", color="C1", markersize=4, label="descent")
axis.contour(grid_w, grid_b, surface, levels=12, zdir="z", offset=-2, cmap="Blues_r", linewidths=0.8)
axis.plot(w, b, -2, color="C1", linewidth=1)
axis.set(xlabel="w", ylabel="b", zlabel="J(w, b)", zlim=(-2, surface.max()))
axis.view_init(elev=28, azim=-58)
axis.legend()
plt.show()

# %%
# Below the bowl lie its contours, the map of the same descent. The first steps are long, as the wall is
# steep; the last ones are short, as the floor is flat: the bowl is a valley, in which the path turns. No
# step was made shorter: they are 0.1 times the slope.
#
# Each point of the path is a line. On the left the lines, on the right the cost that each of them has.
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained", width_ratios=[3, 2])
left.plot(x, y, "o", color="0.6", markersize=4)
ends = np.array([-0.6, 2.6])
(line,) = left.plot(ends, w[0] * ends + b[0], color="C1")
left.set(xlabel="x", ylabel="y", ylim=(-5, 5))
right.plot(heights, color="0.8")
(point,) = right.plot([0], [heights[0]], "o", color="C1")
right.set(xlabel="step", ylabel="J(w, b)", yscale="log")


def draw(step):
    line.set_ydata(w[step] * ends + b[step])
    point.set_data([step], [heights[step]])
    left.set_title(f"step {step}: y = {w[step]:.2f} x {b[step]:+.2f}")
    return line, point


animation = FuncAnimation(figure, draw, frames=len(w), interval=120)
plt.show()

# %%
# After 80 steps the line is nearly that of least squares:
np.polyfit(x, y, 1).round(2), (w[-1].round(2), b[-1].round(2))
