"""scikit-learn's own tests of MLPRegressor and MLPClassifier, run on the perceptrons."""

import pytest
from _translated import PERCEPTRONS, translated_tests
from sklearn import neural_network

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnknownMarkWarning"),
]

globals().update(translated_tests("sklearn.neural_network.tests.test_mlp", neural_network, PERCEPTRONS))


@pytest.fixture
def global_random_seed():
    return 42
