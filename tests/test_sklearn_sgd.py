"""scikit-learn's own tests of SGDRegressor and SGDClassifier, run on the linear models."""

import pytest
from _translated import LINEAR, translated_tests
from sklearn import linear_model

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnknownMarkWarning"),
]

globals().update(translated_tests("sklearn.linear_model.tests.test_sgd", linear_model, LINEAR))


@pytest.fixture
def global_random_seed():
    return 42
