"""
Sparse text
===========

A document contains a few dozen of tens of thousands of words. Updates with one row change only the weights
of the words in this row, so the cost of an epoch depends on the non-zeros and not on the size of the
vocabulary. An l1 penalty selects the relevant words.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from skgd import GDClassifier

# %%
# To avoid a download, the documents consist of random words with frequencies as in natural language
# (Zipf's law). Documents about gardening and about sailing contain some additional words of their topic.
rng = np.random.default_rng(0)
vocabulary = np.array([f"word{i}" for i in range(20_000)])
themes = {
    "gardening": ["soil", "seed", "prune", "compost", "bloom", "hedge", "tulip", "weed", "lawn", "orchard"],
    "sailing": ["mast", "sail", "harbour", "tide", "anchor", "keel", "rudder", "buoy", "knot", "wind"],
}
frequency = 1 / np.arange(1, len(vocabulary) + 1)
frequency /= frequency.sum()


def document(theme):
    words = rng.choice(vocabulary, size=60, p=frequency)
    special = rng.choice(themes[theme], size=rng.integers(0, 4))
    return " ".join([*words, *special])


topics = rng.choice(list(themes), size=4000)
texts = [document(topic) for topic in topics]
X = TfidfVectorizer().fit(texts[:3000])
names = X.get_feature_names_out()
X_train, X_test = X.transform(texts[:3000]), X.transform(texts[3000:])
print(f"{X_train.shape[1]} words, {X_train.nnz / X_train.shape[0]:.0f} of them in a document")

# %%
# The weights of words that are not needed become exactly 0, because the penalty is applied cumulatively.
# The rows have norm one, which allows high rates. With ``average=False`` an update costs only the words of
# its document (with l1, the mean of the iterates would change for every word at every update).
model = GDClassifier(
    solver="sgd", penalty="l1", alpha=2e-3, learning_rate=1.0, schedule="cosine", max_iter=20, tol=None
)
model.set_params(average=False, random_state=0)
begin = perf_counter()
model.fit(X_train, topics[:3000])
print(f"fit: {model.n_updates_} updates, {(perf_counter() - begin) / model.n_updates_ * 1e6:.1f} us each")
weights = model.coef_.ravel()
print(f"accuracy {model.score(X_test, topics[3000:]):.3f}, words with a weight: {np.count_nonzero(weights)}")

# %%
order = np.argsort(weights)
shown = np.concatenate([order[:10], order[-10:]])
figure, axis = plt.subplots(figsize=(7, 5), layout="constrained")
axis.barh(names[shown], weights[shown], color=np.where(weights[shown] < 0, "C1", "C0"))
axis.axvline(0, color="0.4", linewidth=0.8)
axis.set(xlabel=f"weight: {model.classes_[0]} (left) or {model.classes_[1]} (right)")
plt.show()

# %%
# The model finds the words of the two topics among more than ten thousand. Documents that contain none of
# them cannot be classified; this explains the remaining errors.
